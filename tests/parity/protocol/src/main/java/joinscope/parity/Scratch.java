package joinscope.parity;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A temp folder of this process alone, in memory where the system has such a
 * place; gone when the process ends. What a killed one left is swept by the next.
 */
public final class Scratch {
    private static final String NAME = "joinscope-parity-";

    private final Path dir;
    /** What stays from trace to trace: native libraries. */
    private final Set<Path> kept = new HashSet<>();

    private Scratch(Path dir) {
        this.dir = dir;
    }

    /** Must be called before anything asks for a temp file: also java.io.tmpdir is moved. */
    public static Scratch create() throws IOException {
        Path base = Path.of("/dev/shm");
        if (!Files.isWritable(base)) {
            base = Path.of(System.getProperty("java.io.tmpdir"));
        }
        try (Stream<Path> others = Files.list(base)) {
            for (Path other : (Iterable<Path>) others::iterator) {
                String name = other.getFileName().toString();
                if (name.startsWith(NAME) && !alive(name.substring(NAME.length()))) {
                    remove(other);
                }
            }
        }
        Path dir = Files.createDirectory(base.resolve(NAME + ProcessHandle.current().pid()));
        System.setProperty("java.io.tmpdir", dir.toString());
        Scratch scratch = new Scratch(dir);
        Runtime.getRuntime().addShutdownHook(new Thread(scratch::delete));
        return scratch;
    }

    private static boolean alive(String pid) {
        try {
            return ProcessHandle.of(Long.parseLong(pid)).isPresent();
        } catch (NumberFormatException e) {
            return true;
        }
    }

    public Path dir() {
        return dir;
    }

    /** What is there now outlives the traces. */
    public void keep() throws IOException {
        kept.addAll(children());
    }

    /** Removes what a trace left. */
    void clear() throws IOException {
        for (Path child : children()) {
            if (!kept.contains(child)) {
                remove(child);
            }
        }
    }

    void delete() {
        try {
            remove(dir);
        } catch (IOException | UncheckedIOException e) {
            System.err.println("could not remove " + dir + ": " + e);
        }
    }

    private List<Path> children() throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            return files.toList();
        }
    }

    private static void remove(Path path) throws IOException {
        if (Files.notExists(path)) {
            return;
        }
        Files.walkFileTree(path, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes about) throws IOException {
                Files.deleteIfExists(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) {
                // Another process swept it first.
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException e) throws IOException {
                Files.deleteIfExists(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
