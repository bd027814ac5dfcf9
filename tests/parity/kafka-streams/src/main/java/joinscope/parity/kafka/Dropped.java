package joinscope.parity.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Map;
import joinscope.parity.Lines;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * Says which record made {@code dropped-records-total} grow. The metric does
 * not; but the task reads a timestamp of each record before it may drop it for
 * that, and processes one record at a time.
 */
final class Dropped {
    private static final String SIDE = "side";
    private static final String ID = "id";

    private final Lines lines;
    private Metric total;
    private long seen;
    private String side;
    private String id;

    Dropped(Lines lines) {
        this.lines = lines;
    }

    static Headers name(String side, String id) {
        return new RecordHeaders()
                .add(SIDE, side.getBytes(UTF_8))
                .add(ID, id.getBytes(UTF_8));
    }

    void watch(Map<MetricName, ? extends Metric> metrics) {
        for (Map.Entry<MetricName, ? extends Metric> metric : metrics.entrySet()) {
            if (metric.getKey().name().equals("dropped-records-total")
                    && metric.getKey().group().equals("stream-task-metrics")) {
                total = metric.getValue();
            }
        }
        if (total == null) {
            throw new IllegalStateException("no metric dropped-records-total");
        }
    }

    /** From now on it is this record that is looked at. */
    void turn(Headers headers) {
        say();
        side = text(headers, SIDE);
        id = text(headers, ID);
    }

    /** Puts out what has been dropped since the last call. */
    void say() {
        if (total == null) {
            return;
        }
        long now = ((Double) total.metricValue()).longValue();
        if (now > seen) {
            lines.late(side, id, now - seen);
            seen = now;
        }
    }

    private static String text(Headers headers, String name) {
        return new String(headers.lastHeader(name).value(), UTF_8);
    }
}
