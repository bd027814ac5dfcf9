package joinscope.parity.kafka;

import com.fasterxml.jackson.databind.JsonNode;
import joinscope.parity.Scratch;
import joinscope.parity.Traces;

/** Traces through the joins of Apache Kafka Streams. */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Scratch scratch = Scratch.create();
        // Extracts the native library, which then stays for all traces.
        org.rocksdb.RocksDB.loadLibrary();
        scratch.keep();
        Traces.run((JsonNode spec, joinscope.parity.Lines lines) -> {
            String semantics = spec.get("semantics").asText();
            if (!semantics.equals("kafka-streams")) {
                throw new IllegalArgumentException("semantics " + semantics + ": this is kafka-streams");
            }
            return new StreamJoin(spec, lines, scratch.dir());
        }, scratch);
        System.exit(0);
    }
}
