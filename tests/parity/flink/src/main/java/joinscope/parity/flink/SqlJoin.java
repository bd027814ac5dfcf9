package joinscope.parity.flink;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import joinscope.parity.Lines;
import org.apache.flink.api.common.functions.AbstractRichFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.writer.BinaryRowWriter;
import org.apache.flink.table.runtime.generated.GeneratedJoinCondition;
import org.apache.flink.table.runtime.generated.JoinCondition;
import org.apache.flink.table.runtime.operators.join.FlinkJoinType;
import org.apache.flink.table.runtime.operators.join.KeyedCoProcessOperatorWithWatermarkDelay;
import org.apache.flink.table.runtime.operators.join.interval.IntervalJoinFunction;
import org.apache.flink.table.runtime.operators.join.interval.RowTimeIntervalJoin;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.VarCharType;

/**
 * The event-time interval join of Flink SQL, put together as the planner does
 * (StreamExecIntervalJoin#createRowTimeJoin): rows (key STRING, rowtime, id STRING).
 */
final class SqlJoin extends Harnessed<RowData, RowData, RowData> {
    private static final int KEY = 0;
    private static final int TIME = 1;
    private static final int ID = 2;
    private static final LogicalType STRING = VarCharType.STRING_TYPE;
    private static final LogicalType LONG = new BigIntType();
    private static final InternalTypeInfo<RowData> ROW = InternalTypeInfo.ofFields(STRING, LONG, STRING);
    private static final InternalTypeInfo<RowData> PAIR =
            InternalTypeInfo.ofFields(STRING, LONG, STRING, STRING, LONG, STRING);
    private static final InternalTypeInfo<RowData> KEY_ROW = InternalTypeInfo.ofFields(STRING);

    private final FlinkJoinType kind;
    private final long lower;
    private final long upper;
    private final long minCleanup;

    SqlJoin(JsonNode spec, Lines lines, StateBackend backend) throws Exception {
        super(spec, lines, backend);
        kind = FlinkJoinType.valueOf(spec.get("kind").asText().toUpperCase(Locale.ROOT));
        // The planner moves a strict bound by 1 ms (IntervalJoinUtil).
        lower = spec.get("lower_ms").longValue() + (spec.path("lower_inclusive").asBoolean(true) ? 0 : 1);
        upper = spec.get("upper_ms").longValue() - (spec.path("upper_inclusive").asBoolean(true) ? 0 : 1);
        minCleanup = spec.path("min_cleanup_ms").asLong(0);
        start(null);
    }

    @Override
    TwoInputStreamOperator<RowData, RowData, RowData> operator() {
        IntervalJoinFunction function =
                new IntervalJoinFunction(new AlwaysTrue(), PAIR, new boolean[] {true});
        // Flink's bounds are of left.time - right.time.
        RowTimeIntervalJoin join = new RowTimeIntervalJoin(
                kind, -upper, -lower, 0, minCleanup, ROW, ROW, function, TIME, TIME);
        return new KeyedCoProcessOperatorWithWatermarkDelay<>(join, join.getMaxOutputDelay());
    }

    @Override
    KeySelector<RowData, RowData> key() {
        return row -> {
            BinaryRowData key = new BinaryRowData(1);
            BinaryRowWriter writer = new BinaryRowWriter(key);
            if (row.isNullAt(KEY)) {
                writer.setNullAt(0);
            } else {
                writer.writeString(0, row.getString(KEY));
            }
            writer.complete();
            return key;
        };
    }

    @Override
    TypeInformation<RowData> keyType() {
        return KEY_ROW;
    }

    @Override
    TypeSerializer<RowData> outType() {
        return PAIR.toSerializer();
    }

    @Override
    TypeSerializer<RowData> inType() {
        return ROW.toSerializer();
    }

    /** WatermarkAssignerOperator, which stands in front of the join in a job. */
    @Override
    void check(Long time) {
        if (time == null) {
            throw new RuntimeException(
                    "RowTime field should not be null, please convert it to a non-null long value.");
        }
    }

    @Override
    RowData row(String key, Long time, String id) {
        BinaryRowData row = new BinaryRowData(3);
        BinaryRowWriter writer = new BinaryRowWriter(row);
        if (key == null) {
            writer.setNullAt(KEY);
        } else {
            writer.writeString(KEY, StringData.fromString(key));
        }
        writer.writeLong(TIME, time);
        writer.writeString(ID, StringData.fromString(id));
        writer.complete();
        return row;
    }

    @Override
    void joined(RowData row, Long time) {
        lines.out(id(row, ID), id(row, 3 + ID), time);
    }

    private static String id(RowData row, int field) {
        return row.isNullAt(field) ? null : row.getString(field).toString();
    }

    @Override
    void late(String side, RowData row) {
        throw new IllegalStateException("Flink SQL has no late side output");
    }

    /** What the planner generates when there is no condition but key and interval. */
    private static final class AlwaysTrue extends GeneratedJoinCondition {
        private static final long serialVersionUID = 1;

        AlwaysTrue() {
            super("AlwaysTrue", "", new Object[0]);
        }

        @Override
        public JoinCondition newInstance(ClassLoader loader) {
            return new Condition();
        }

        private static final class Condition extends AbstractRichFunction implements JoinCondition {
            private static final long serialVersionUID = 1;

            @Override
            public boolean apply(RowData left, RowData right) {
                return true;
            }
        }
    }
}
