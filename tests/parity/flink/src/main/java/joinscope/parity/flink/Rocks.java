package joinscope.parity.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Collection;
import joinscope.parity.Scratch;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackend;
import org.apache.flink.state.rocksdb.RocksDBOptions;
import org.apache.flink.state.rocksdb.RocksDBOptionsFactory;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.DBOptions;

/** RocksDB for many short lives: nothing here changes what is in which order. */
final class Rocks implements RocksDBOptionsFactory {
    private static final long serialVersionUID = 1;

    static StateBackend backend(Scratch scratch, boolean fresh) throws IOException {
        Configuration config = new Configuration();
        config.set(RocksDBOptions.USE_MANAGED_MEMORY, false);
        EmbeddedRocksDBStateBackend backend = new EmbeddedRocksDBStateBackend(false)
                .configure(config, Rocks.class.getClassLoader());
        backend.setDbStoragePath(Files.createDirectory(scratch.dir().resolve("rocksdb")).toString());
        backend.setRocksDBOptions(new Rocks());
        return fresh ? backend : new Reused(backend);
    }

    @Override
    public DBOptions createDBOptions(DBOptions options, Collection<AutoCloseable> closing) {
        return options.setMaxOpenFiles(64).setStatsDumpPeriodSec(0).setMaxBackgroundJobs(1);
    }

    @Override
    public ColumnFamilyOptions createColumnOptions(
            ColumnFamilyOptions options, Collection<AutoCloseable> closing) {
        return options.setWriteBufferSize(256 << 10).setArenaBlockSize(16 << 10);
    }
}
