package joinscope.parity.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import joinscope.parity.Join;
import joinscope.parity.Lines;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.StreamsConfig.InternalConfig;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.processor.FailOnInvalidTimestamp;
import org.apache.kafka.streams.processor.LogAndSkipOnInvalidTimestamp;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;

/**
 * {@code KStream.join}, {@code leftJoin} or {@code outerJoin} of the topics L
 * and R, in a real task driven by {@link TopologyTestDriver}.
 */
final class StreamJoin implements Join {
    /** What a task does when no test says otherwise; the test driver's own default is 0. */
    private static final long EMIT_INTERVAL_MS = 1000;

    private static final Method PIPE = pipe();

    private final Lines lines;
    private final Dropped dropped;
    private final TopologyTestDriver driver;
    private long clock;

    StreamJoin(JsonNode spec, Lines lines, Path scratch) {
        this.lines = lines;
        dropped = new Dropped(lines);
        clock = spec.path("clock_ms").asLong(0);

        StreamsBuilder builder = new StreamsBuilder();
        boolean skip = spec.path("on_invalid").asText("fail").equals("skip");
        KStream<String, String> left = input(builder, "L", skip);
        // Of the driver alone, not of the protocol: a stream joined with itself.
        boolean self = spec.path("self").asBoolean();
        KStream<String, String> right = self ? left : input(builder, "R", skip);
        ValueJoiner<String, String, String[]> pair = (l, r) -> new String[] {l, r};
        JoinWindows windows = windows(
                spec.get("before_ms").asLong(),
                spec.get("after_ms").asLong(),
                spec.get("grace_ms").asLong());
        StreamJoined<String, String, String> serdes =
                StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String());
        KStream<String, String[]> joined =
                join(spec.get("kind").asText(), left, right, pair, windows, serdes);
        joined.process(() -> new ContextualProcessor<String, String[], Void, Void>() {
            @Override
            public void process(Record<String, String[]> record) {
                StreamJoin.this.lines.out(record.value()[0], record.value()[1], record.timestamp());
            }
        });

        Properties config = config(spec, scratch);
        driver = new TopologyTestDriver(builder.build(config), config, Instant.ofEpochMilli(clock));
        dropped.watch(driver.metrics());
    }

    private KStream<String, String> input(StreamsBuilder builder, String side, boolean skip) {
        TimestampExtractor released =
                skip ? new LogAndSkipOnInvalidTimestamp() : new FailOnInvalidTimestamp();
        TimestampExtractor extractor = (record, partitionTime) -> {
            dropped.turn(record.headers());
            return released.extract(record, partitionTime);
        };
        return builder
                .stream(side, Consumed.with(Serdes.String(), Serdes.String()).withTimestampExtractor(extractor))
                .processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
                    @Override
                    public void process(FixedKeyRecord<String, String> record) {
                        dropped.turn(record.headers());
                        context().forward(record);
                    }
                });
    }

    /** The join of a kind, by its name in the protocol. */
    static KStream<String, String[]> join(
            String kind,
            KStream<String, String> left,
            KStream<String, String> right,
            ValueJoiner<String, String, String[]> pair,
            JoinWindows windows,
            StreamJoined<String, String, String> serdes) {
        return switch (kind) {
            case "inner" -> left.join(right, pair, windows, serdes);
            case "left" -> left.leftJoin(right, pair, windows, serdes);
            case "outer" -> left.outerJoin(right, pair, windows, serdes);
            default -> throw new IllegalArgumentException("kind " + kind);
        };
    }

    /** All in milliseconds. */
    static JoinWindows windows(long before, long after, long grace) {
        // Wide enough at first that each bound alone may be negative.
        Duration wide = Duration.ofMillis(Math.max(Math.abs(before), Math.abs(after)));
        return JoinWindows.ofTimeDifferenceAndGrace(wide, Duration.ofMillis(grace))
                .before(Duration.ofMillis(before))
                .after(Duration.ofMillis(after));
    }

    private static Properties config(JsonNode spec, Path scratch) {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "parity");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        config.put(StreamsConfig.STATE_DIR_CONFIG, scratch.toString());
        config.put(StreamsConfig.METADATA_MAX_AGE_CONFIG, "500000");
        config.put(
                StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                stores(spec.path("store").asText("rocksdb")));
        config.put(InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX,
                spec.path("emit_interval_ms").asLong(EMIT_INTERVAL_MS));
        if (spec.has("max_task_idle_ms")) {
            config.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, spec.get("max_task_idle_ms").asLong());
        }
        return config;
    }

    /** The supplier of a store, by its name in the protocol. */
    static Class<?> stores(String name) {
        return switch (name) {
            case "rocksdb" -> BuiltInDslStoreSuppliers.RocksDBDslStoreSuppliers.class;
            case "memory" -> BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class;
            default -> throw new IllegalArgumentException("store " + name);
        };
    }

    @Override
    public void event(JsonNode event) throws Exception {
        try {
            if (event.has("in")) {
                row(event);
            } else if (event.has("clock")) {
                long to = event.get("clock").asLong();
                driver.advanceWallClockTime(Duration.ofMillis(to - clock));
                clock = to;
            } else if (event.has("snapshot")) {
                throw new UnsupportedOperationException("TopologyTestDriver cannot restore");
            }
            // No watermark comes in, no input ends, and a task commits after every record here.
        } finally {
            dropped.say();
        }
    }

    private void row(JsonNode row) throws Exception {
        String side = row.get("in").asText();
        String id = row.get("id").asText();
        byte[] key = row.get("key").isNull() ? null : row.get("key").asText().getBytes(UTF_8);
        byte[] value = row.path("null_value").asBoolean() ? null : id.getBytes(UTF_8);
        long time = row.get("ts").isNull() ? ConsumerRecord.NO_TIMESTAMP : row.get("ts").longValue();
        try {
            PIPE.invoke(driver, side, time, key, value, Dropped.name(side, id));
        } catch (InvocationTargetException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /** {@code TestInputTopic} refuses negative timestamps before the task can see them. */
    private static Method pipe() {
        try {
            Method pipe = TopologyTestDriver.class.getDeclaredMethod(
                    "pipeRecord", String.class, long.class, byte[].class, byte[].class, Headers.class);
            pipe.setAccessible(true);
            return pipe;
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        driver.close();
    }
}
