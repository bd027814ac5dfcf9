package joinscope.parity;

import com.fasterxml.jackson.databind.JsonNode;

/** A released join that is fed one trace. */
public interface Join extends AutoCloseable {
    /**
     * Takes one event of the trace; what comes out goes to the lines that the
     * join was opened with. What it throws is what the job would fail with.
     */
    void event(JsonNode event) throws Exception;

    /** Builds the join that a trace's first line asks for. */
    interface Opener {
        Join open(JsonNode spec, Lines lines) throws Exception;
    }
}
