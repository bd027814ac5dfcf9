package joinscope.parity;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;

/**
 * Traces from stdin, their lines to stdout. A blank line ends a batch: it is
 * answered by a blank line when all before it has been put out.
 */
public final class Traces {
    /** No event of a trace takes this long, unless the released operator never returns. */
    private static final long LIMIT_MS = 60_000;

    private final Join.Opener opener;
    private final Scratch scratch;
    private final Lines lines = new Lines();
    private long begun;
    private long next;
    private boolean failed;
    private Join join;
    private volatile long since;
    private volatile String at;

    private Traces(Join.Opener opener, Scratch scratch) {
        this.opener = opener;
        this.scratch = scratch;
    }

    public static void run(Join.Opener opener, Scratch scratch) throws Exception {
        new Traces(opener, scratch).run();
    }

    private void run() throws Exception {
        watch();
        ObjectMapper mapper =
                new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        // Nothing else may write to stdout: libraries are sent to stderr.
        Writer out =
                new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        System.setOut(System.err);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.isBlank()) {
                end();
                out.write(lines.take());
                out.write('\n');
                out.flush();
                continue;
            }
            at = line;
            since = System.nanoTime();
            JsonNode value = mapper.readTree(line);
            if (value.has("semantics")) {
                end();
                begin(value);
            } else {
                event(value);
            }
            since = 0;
            out.write(lines.take());
        }
        end();
        out.write(lines.take());
        out.flush();
    }

    private void begin(JsonNode spec) {
        lines.trace(begun++, spec.path("name").isMissingNode() ? null : spec.get("name"));
        next = 1;
        failed = false;
        try {
            join = opener.open(spec, lines);
        } catch (Exception | LinkageError e) {
            fail(e);
        }
    }

    private void event(JsonNode event) {
        lines.event(next++);
        if (failed) {
            return;
        }
        if (join == null) {
            throw new IllegalArgumentException("an event before any spec: " + event);
        }
        try {
            join.event(event);
        } catch (Exception | StackOverflowError e) {
            fail(e);
        }
    }

    private void fail(Throwable thrown) {
        failed = true;
        lines.error(thrown);
    }

    private void end() throws IOException {
        if (join != null) {
            try {
                join.close();
            } catch (Exception e) {
                // A job that failed may not close cleanly; any other must.
                if (!failed) {
                    throw new IllegalStateException("the join did not close: " + at, e);
                }
            }
            join = null;
        }
        scratch.clear();
        since = 0;
    }

    private void watch() {
        Thread main = Thread.currentThread();
        Thread watch = new Thread(() -> {
            while (true) {
                try {
                    Thread.sleep(1000);
                } catch (InterruptedException e) {
                    return;
                }
                long start = since;
                if (start != 0 && System.nanoTime() - start > LIMIT_MS * 1_000_000) {
                    System.err.println("no return within " + LIMIT_MS + " ms from: " + at);
                    for (StackTraceElement element : main.getStackTrace()) {
                        System.err.println("\tat " + element);
                    }
                    scratch.delete();
                    Runtime.getRuntime().halt(3);
                }
            }
        }, "watch");
        watch.setDaemon(true);
        watch.start();
    }
}
