package joinscope.parity.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import joinscope.parity.Lines;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.StreamsConfig.InternalConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;

/**
 * A whole Kafka Streams application: the join of two topics of a real cluster, one stream thread.
 * Ends once it has taken as many records as it was told to expect, or when its stdin ends.
 *
 * <p>Writes one line for each output, {@code "left right"}, a missing side as {@code -}; with
 * {@code --log}, instead, the protocol's lines with the task of each: the rows in the very order in
 * which their task gave them to the join, each with the wall clock that the join saw, and what came
 * out in between.
 */
public final class Application {
    private static final int LOST_PARENT = 4;

    private final Arguments arguments;
    private final BufferedWriter out;
    private final boolean log;
    private final long expect;
    private final CountDownLatch whole = new CountDownLatch(1);
    /** Only the stream thread counts. */
    private long seen;

    private volatile Throwable failed;

    private Application(Arguments arguments) throws IOException {
        this.arguments = arguments;
        log = arguments.has("log");
        expect = arguments.number("expect");
        out = Files.newBufferedWriter(Path.of(arguments.text("out")), UTF_8);
    }

    public static void main(String[] args) throws Exception {
        Thread parent = new Thread(Application::endWithParent, "parent");
        parent.setDaemon(true);
        parent.start();
        new Application(new Arguments(args)).run();
    }

    /** Whoever started it holds its stdin open, and may be killed. */
    private static void endWithParent() {
        try {
            while (System.in.read() >= 0) {
                Thread.onSpinWait();
            }
        } catch (IOException e) {
            // As good as its end.
        }
        Runtime.getRuntime().halt(LOST_PARENT);
    }

    private void run() throws Exception {
        Properties config = config();
        try (KafkaStreams streams = new KafkaStreams(topology().build(config), config)) {
            streams.setUncaughtExceptionHandler(e -> {
                failed = e;
                whole.countDown();
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            while (!whole.await(1, TimeUnit.SECONDS)) {
                if (streams.state() == KafkaStreams.State.ERROR) {
                    throw new IllegalStateException("the stream thread ended", failed);
                }
            }
            streams.close(Duration.ofSeconds(30));
        }
        out.close();
        if (failed != null) {
            throw new IllegalStateException("the stream thread ended", failed);
        }
        System.out.println("{\"records\":" + seen + "}");
        Runtime.getRuntime().halt(0);
    }

    private StreamsBuilder topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> left = input(builder, "left", "L");
        KStream<String, String> right = input(builder, "right", "R");
        ValueJoiner<String, String, String[]> pair = (l, r) -> new String[] {l, r};
        JoinWindows windows = StreamJoin.windows(
                arguments.number("before"), arguments.number("after"), arguments.number("grace"));
        StreamJoined<String, String, String> serdes =
                StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String());
        StreamJoin.join(arguments.text("kind"), left, right, pair, windows, serdes)
                .process(() -> new ContextualProcessor<String, String[], Void, Void>() {
                    @Override
                    public void process(Record<String, String[]> record) {
                        String[] sides = record.value();
                        if (log) {
                            write("{\"task\":" + context().taskId().partition() + ",\"out\":{\"l\":"
                                    + Lines.quoted(sides[0]) + ",\"r\":" + Lines.quoted(sides[1]) + ",\"ts\":"
                                    + record.timestamp() + "}}");
                        } else {
                            write((sides[0] == null ? "-" : sides[0]) + " " + (sides[1] == null ? "-" : sides[1]));
                        }
                    }
                });
        return builder;
    }

    private KStream<String, String> input(StreamsBuilder builder, String argument, String side) {
        Serde<Long> time = Serdes.serdeFrom(Serdes.Long().serializer(), new TimeField(arguments.text("time")));
        TimestampExtractor extractor =
                (record, partitionTime) -> record.value() instanceof Long at ? at : record.timestamp();
        return builder.stream(
                        arguments.text(argument),
                        Consumed.with(Serdes.String(), time).withTimestampExtractor(extractor))
                .processValues(() -> new ContextualFixedKeyProcessor<String, Long, String>() {
                    @Override
                    public void process(FixedKeyRecord<String, Long> record) {
                        RecordMetadata at = context().recordMetadata().orElseThrow();
                        String name = at.topic() + "[" + at.partition() + "]@" + at.offset();
                        if (log) {
                            write("{\"task\":" + context().taskId().partition() + ",\"clock\":"
                                    + context().currentSystemTimeMs() + ",\"in\":\"" + side + "\",\"key\":"
                                    + Lines.quoted(record.key()) + ",\"ts\":" + record.timestamp() + ",\"id\":"
                                    + Lines.quoted(name) + (record.value() == null ? ",\"null_value\":true}" : "}"));
                        }
                        context().forward(record.withValue(record.value() == null ? null : name));
                        if (++seen == expect) {
                            whole.countDown();
                        }
                    }
                });
    }

    private void write(String line) {
        try {
            out.write(line);
            out.write('\n');
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Properties config() {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "joinscope-" + ProcessHandle.current().pid());
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("brokers"));
        config.put(StreamsConfig.STATE_DIR_CONFIG, arguments.text("dir"));
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        config.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, StreamJoin.stores(arguments.text("store", "rocksdb")));
        if (arguments.has("task-idle")) {
            config.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, arguments.number("task-idle"));
        }
        if (arguments.has("emit-interval")) {
            config.put(
                    InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX,
                    arguments.number("emit-interval"));
        }
        return config;
    }
}
