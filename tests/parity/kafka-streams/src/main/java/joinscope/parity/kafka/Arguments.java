package joinscope.parity.kafka;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** {@code --name value} pairs of {@link Application}. */
final class Arguments {
    private static final Set<String> KNOWN = Set.of(
            "brokers", "left", "right", "kind", "before", "after", "grace", "time", "expect", "out", "dir", "log",
            "store", "task-idle", "emit-interval");

    private final Map<String, String> given = new HashMap<>();

    Arguments(String[] args) {
        for (int at = 0; at < args.length; at += 2) {
            String name = args[at].startsWith("--") ? args[at].substring(2) : "";
            if (!KNOWN.contains(name) || at + 1 == args.length) {
                throw new IllegalArgumentException(args[at] + ": expected --NAME VALUE, NAME one of " + KNOWN);
            }
            given.put(name, args[at + 1]);
        }
    }

    String text(String name) {
        String value = given.get(name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }

    String text(String name, String otherwise) {
        return given.getOrDefault(name, otherwise);
    }

    long number(String name) {
        return Long.parseLong(text(name));
    }

    boolean has(String name) {
        return given.containsKey(name);
    }
}
