package joinscope.parity.flink;

import com.fasterxml.jackson.databind.JsonNode;
import joinscope.parity.Join;
import joinscope.parity.Lines;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/** A released two-input operator as one subtask, fed one trace. */
abstract class Harnessed<K, IN, OUT> implements Join {
    protected final Lines lines;
    private final StateBackend backend;
    private final int maxParallelism;
    private final boolean recordTimes;
    private final boolean debug;
    private Subtask<K, IN, OUT> harness;
    private long checkpoint;

    Harnessed(JsonNode spec, Lines lines, StateBackend backend) {
        this.lines = lines;
        this.backend = backend;
        maxParallelism = spec.path("max_parallelism").asInt(1);
        recordTimes = spec.path("record_ts").asBoolean(true);
        debug = spec.path("debug").asBoolean(false);
    }

    abstract TwoInputStreamOperator<IN, IN, OUT> operator();

    abstract KeySelector<IN, K> key();

    abstract TypeInformation<K> keyType();

    abstract TypeSerializer<OUT> outType();

    abstract TypeSerializer<IN> inType();

    abstract IN row(String key, Long time, String id);

    /** What the sources in front would fail at. */
    void check(Long time) throws Exception {}

    abstract void joined(OUT row, Long time);

    abstract void late(String side, IN row);

    /** A new operator, from a checkpoint if there is one. */
    protected final void start(OperatorSubtaskState from) throws Exception {
        harness = new Subtask<>(operator(), key(), keyType(), maxParallelism, inType());
        harness.setStateBackend(backend);
        harness.setOutputCreator(serializer -> new Given<>(this));
        harness.setup(outType());
        if (from != null) {
            harness.initializeState(from);
        }
        harness.open();
    }

    @Override
    public void event(JsonNode event) throws Exception {
        if (event.has("in")) {
            row(event);
        } else if (event.has("wm")) {
            watermark(event.get("wm").asText(), event.get("ts").longValue());
        } else if (event.has("idle")) {
            status(event.get("idle").asText(), WatermarkStatus.IDLE);
        } else if (event.has("active")) {
            status(event.get("active").asText(), WatermarkStatus.ACTIVE);
        } else if (event.has("end")) {
            watermark("L", Long.MAX_VALUE);
            watermark("R", Long.MAX_VALUE);
        } else if (event.has("checkpoint")) {
            checkpoint();
        } else if (event.has("snapshot")) {
            OperatorSubtaskState taken = checkpoint();
            harness.close();
            start(taken);
        } else if (event.has("clock")) {
            harness.setProcessingTime(event.get("clock").longValue());
        } else {
            throw new IllegalArgumentException("no event: " + event);
        }
        if (debug) {
            lines.timers(harness.numEventTimeTimers());
        }
    }

    private OperatorSubtaskState checkpoint() throws Exception {
        checkpoint++;
        OperatorSubtaskState taken = harness.snapshot(checkpoint, checkpoint);
        harness.notifyOfCompletedCheckpoint(checkpoint);
        return taken;
    }

    private void row(JsonNode event) throws Exception {
        String key = event.get("key").isNull() ? null : event.get("key").asText();
        Long time = event.get("ts").isNull() ? null : event.get("ts").longValue();
        check(time);
        IN row = row(key, time, event.get("id").asText());
        StreamRecord<IN> record = recordTimes && time != null
                ? new StreamRecord<>(row, time)
                : new StreamRecord<>(row);
        if (event.get("in").asText().equals("L")) {
            harness.left(record);
        } else {
            harness.right(record);
        }
    }

    private void watermark(String side, long time) throws Exception {
        harness.watermark(side.equals("L"), new Watermark(time));
    }

    private void status(String side, WatermarkStatus status) throws Exception {
        harness.status(side.equals("L"), status);
    }

    @Override
    public void close() throws Exception {
        harness.close();
    }
}
