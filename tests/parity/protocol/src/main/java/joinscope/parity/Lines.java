package joinscope.parity;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.TextNode;

/** The lines that a trace gives, each with the index of the event that caused it. */
public final class Lines {
    private final StringBuilder text = new StringBuilder();
    private long index;

    void trace(long number, JsonNode name) {
        index = 0;
        text.append("{\"trace\":").append(number).append(",\"name\":").append(name).append("}\n");
    }

    void event(long next) {
        index = next;
    }

    /** What has come since the last call. */
    String take() {
        String taken = text.toString();
        text.setLength(0);
        return taken;
    }

    /** A joined or padded row; {@code null}: there is no left, no right, no time. */
    public void out(String left, String right, Long time) {
        begin("out").append("{\"l\":").append(quoted(left)).append(",\"r\":").append(quoted(right));
        text.append(",\"ts\":").append(time).append("}}\n");
    }

    public void late(String side, String id, long count) {
        begin("late").append("{\"side\":").append(quoted(side)).append(",\"id\":").append(quoted(id));
        if (count > 1) {
            text.append(",\"count\":").append(count);
        }
        text.append("}}\n");
    }

    public void watermark(long time) {
        begin("wm").append(time).append("}\n");
    }

    public void status(boolean idle) {
        begin("status").append(idle ? "\"idle\"}\n" : "\"active\"}\n");
    }

    public void timers(int count) {
        begin("timers").append(count).append("}\n");
    }

    /** The innermost cause says what went wrong; what wraps it only says where. */
    void error(Throwable thrown) {
        Throwable cause = thrown;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        begin("error").append(quoted(String.valueOf(cause))).append("}\n");
    }

    private StringBuilder begin(String what) {
        return text.append("{\"i\":").append(index).append(",\"").append(what).append("\":");
    }

    /** As JSON; null is {@code null}. */
    public static String quoted(String value) {
        return value == null ? "null" : TextNode.valueOf(value).toString();
    }
}
