package joinscope.parity.flink;

import org.apache.flink.runtime.event.WatermarkEvent;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.LatencyMarker;
import org.apache.flink.streaming.runtime.streamrecord.RecordAttributes;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.util.OutputTag;

/** Everything that an operator gives, turned into lines in the order in which it comes. */
final class Given<IN, OUT> implements Output<StreamRecord<OUT>> {
    private final Harnessed<?, IN, OUT> join;

    Given(Harnessed<?, IN, OUT> join) {
        this.join = join;
    }

    @Override
    public void collect(StreamRecord<OUT> record) {
        join.joined(record.getValue(), record.hasTimestamp() ? record.getTimestamp() : null);
    }

    /** The only side outputs are those for late rows, whose tags are named after the side. */
    @Override
    @SuppressWarnings("unchecked")
    public <X> void collect(OutputTag<X> tag, StreamRecord<X> record) {
        join.late(tag.getId(), (IN) record.getValue());
    }

    @Override
    public void emitWatermark(Watermark mark) {
        join.lines.watermark(mark.getTimestamp());
    }

    @Override
    public void emitWatermarkStatus(WatermarkStatus status) {
        join.lines.status(status.isIdle());
    }

    @Override
    public void emitLatencyMarker(LatencyMarker marker) {}

    @Override
    public void emitRecordAttributes(RecordAttributes attributes) {}

    @Override
    public void emitWatermark(WatermarkEvent event) {}

    @Override
    public void close() {}
}
