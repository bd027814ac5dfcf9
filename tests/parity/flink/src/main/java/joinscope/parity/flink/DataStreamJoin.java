package joinscope.parity.flink;

import com.fasterxml.jackson.databind.JsonNode;
import joinscope.parity.Lines;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.streaming.api.functions.co.ProcessJoinFunction;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.operators.co.IntervalJoinOperator;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/** {@code left.keyBy(..).intervalJoin(right.keyBy(..))} of (key, id), both late rows on the side. */
final class DataStreamJoin
        extends Harnessed<String, Tuple2<String, String>, Tuple2<String, String>> {
    private static final TypeInformation<Tuple2<String, String>> PAIR = Types.TUPLE(Types.STRING, Types.STRING);
    private static final TypeSerializer<Tuple2<String, String>> SERIALIZER =
            PAIR.createSerializer(new SerializerConfigImpl());

    private final long lower;
    private final long upper;
    private final boolean lowerInclusive;
    private final boolean upperInclusive;

    DataStreamJoin(JsonNode spec, Lines lines, StateBackend backend) throws Exception {
        super(spec, lines, backend);
        if (!spec.get("kind").asText().equals("inner")) {
            throw new IllegalArgumentException("the DataStream interval join is inner only");
        }
        lower = spec.get("lower_ms").longValue();
        upper = spec.get("upper_ms").longValue();
        lowerInclusive = spec.path("lower_inclusive").asBoolean(true);
        upperInclusive = spec.path("upper_inclusive").asBoolean(true);
        start(null);
    }

    @Override
    TwoInputStreamOperator<Tuple2<String, String>, Tuple2<String, String>, Tuple2<String, String>>
            operator() {
        return new IntervalJoinOperator<>(
                lower, upper, lowerInclusive, upperInclusive,
                new OutputTag<>("L", PAIR), new OutputTag<>("R", PAIR),
                SERIALIZER, SERIALIZER, new Ids());
    }

    @Override
    KeySelector<Tuple2<String, String>, String> key() {
        return row -> row.f0;
    }

    @Override
    TypeInformation<String> keyType() {
        return Types.STRING;
    }

    @Override
    TypeSerializer<Tuple2<String, String>> outType() {
        return SERIALIZER;
    }

    @Override
    TypeSerializer<Tuple2<String, String>> inType() {
        return SERIALIZER;
    }

    @Override
    Tuple2<String, String> row(String key, Long time, String id) {
        return Tuple2.of(key, id);
    }

    @Override
    void joined(Tuple2<String, String> ids, Long time) {
        lines.out(ids.f0, ids.f1, time);
    }

    @Override
    void late(String side, Tuple2<String, String> row) {
        lines.late(side, row.f1, 1);
    }

    private static final class Ids
            extends ProcessJoinFunction<Tuple2<String, String>, Tuple2<String, String>, Tuple2<String, String>> {
        private static final long serialVersionUID = 1;

        @Override
        public void processElement(
                Tuple2<String, String> left,
                Tuple2<String, String> right,
                Context context,
                Collector<Tuple2<String, String>> out) {
            out.collect(Tuple2.of(left.f1, right.f1));
        }
    }
}
