package joinscope.parity.flink;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import joinscope.parity.Lines;
import joinscope.parity.Scratch;
import joinscope.parity.Traces;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.runtime.state.hashmap.HashMapStateBackend;

/**
 * Traces through the interval joins of Apache Flink; {@code --heap}: not on
 * RocksDB; {@code --fresh}: a new RocksDB for every trace.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        boolean heap = List.of(args).contains("--heap");
        boolean fresh = List.of(args).contains("--fresh");
        Scratch scratch = Scratch.create();
        StateBackend backend = heap ? new HashMapStateBackend() : Rocks.backend(scratch, fresh);
        scratch.keep();
        Traces.run((JsonNode spec, Lines lines) -> {
            String semantics = spec.get("semantics").asText();
            return switch (semantics) {
                case "flink-sql" -> new SqlJoin(spec, lines, backend);
                case "flink-datastream" -> new DataStreamJoin(spec, lines, backend);
                default -> throw new IllegalArgumentException(
                        "semantics " + semantics + ": these are flink-sql and flink-datastream");
            };
        }, scratch);
        System.exit(0);
    }
}
