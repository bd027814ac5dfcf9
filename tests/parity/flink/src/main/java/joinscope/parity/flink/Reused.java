package joinscope.parity.flink;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.runtime.state.CheckpointableKeyedStateBackend;
import org.apache.flink.runtime.state.InternalPriorityQueue;
import org.apache.flink.runtime.state.OperatorStateBackend;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.state.rocksdb.RocksDBKeyedStateBackend;
import org.apache.flink.state.rocksdb.RocksDBKeyedStateBackend.RocksDbKvStateInfo;
import org.apache.flink.state.rocksdb.RocksDBWriteBatchWrapper;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteOptions;

/**
 * RocksDB that outlives an operator. To open one and its column families takes
 * ten times as long as a whole trace, so an operator that does not restore gets
 * the database of one before it, emptied. The released state classes are the
 * same; one that restores gets a database of its own, as released.
 */
final class Reused implements StateBackend {
    private static final long serialVersionUID = 1;

    /** Deleted keys are skipped one by one until they are compacted away: not for ever. */
    private static final int LIVES = 50;

    private final StateBackend released;
    private final transient Map<String, Open<?>> free = new HashMap<>();

    Reused(StateBackend released) {
        this.released = released;
    }

    @Override
    public <K> CheckpointableKeyedStateBackend<K> createKeyedStateBackend(
            KeyedStateBackendParameters<K> parameters) throws Exception {
        if (!parameters.getStateHandles().isEmpty()) {
            return released.createKeyedStateBackend(parameters);
        }
        // Operators that name and serialize the same state may share it.
        String kind = parameters.getKeySerializer().getClass() + " " + parameters.getNumberOfKeyGroups();
        @SuppressWarnings("unchecked")
        Open<K> open = (Open<K>) free.remove(kind);
        if (open == null) {
            open = new Open<>(kind, (RocksDBKeyedStateBackend<K>) released.createKeyedStateBackend(parameters));
        }
        return open.lend();
    }

    @Override
    public OperatorStateBackend createOperatorStateBackend(OperatorStateBackendParameters parameters)
            throws Exception {
        return released.createOperatorStateBackend(parameters);
    }

    private final class Open<K> {
        private final String kind;
        private final RocksDBKeyedStateBackend<K> backend;
        /** By name: a queue of timers, once registered, cannot be registered again. */
        private final Map<String, InternalPriorityQueue<?>> timers = new HashMap<>();
        private int lives;
        private boolean lent;

        Open(String kind, RocksDBKeyedStateBackend<K> backend) {
            this.kind = kind;
            this.backend = backend;
        }

        @SuppressWarnings("unchecked")
        CheckpointableKeyedStateBackend<K> lend() {
            lives++;
            lent = true;
            return (CheckpointableKeyedStateBackend<K>) Proxy.newProxyInstance(
                    Reused.class.getClassLoader(),
                    new Class<?>[] {CheckpointableKeyedStateBackend.class},
                    (proxy, method, arguments) -> {
                        switch (method.getName()) {
                            case "dispose" -> giveBack();
                            // Only ends what is on its way, and here nothing is.
                            case "close" -> { }
                            default -> {
                                return pass(method, arguments);
                            }
                        }
                        return null;
                    });
        }

        private Object pass(Method method, Object[] arguments) throws Throwable {
            boolean queue = InternalPriorityQueue.class.isAssignableFrom(method.getReturnType());
            if (queue && timers.containsKey((String) arguments[0])) {
                return timers.get((String) arguments[0]);
            }
            try {
                Object given = method.invoke(backend, arguments);
                if (queue) {
                    timers.put((String) arguments[0], (InternalPriorityQueue<?>) given);
                }
                return given;
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }

        private void giveBack() throws Exception {
            if (!lent) {
                return;
            }
            lent = false;
            if (lives >= LIVES) {
                backend.close();
                backend.dispose();
                return;
            }
            empty();
            Open<?> other = free.put(kind, this);
            if (other != null) {
                other.backend.close();
                other.backend.dispose();
            }
        }

        private void empty() throws RocksDBException, ReflectiveOperationException, IOException {
            for (InternalPriorityQueue<?> queue : timers.values()) {
                while (!queue.isEmpty()) {
                    queue.poll();
                }
            }
            ((RocksDBWriteBatchWrapper) field("writeBatchWrapper")).flush();
            RocksDB db = (RocksDB) field("db");
            @SuppressWarnings("unchecked")
            Map<String, RocksDbKvStateInfo> states = (Map<String, RocksDbKvStateInfo>) field("kvStateInformation");
            try (WriteOptions unlogged = new WriteOptions().setDisableWAL(true)) {
                for (RocksDbKvStateInfo state : states.values()) {
                    try (RocksIterator entries = db.newIterator(state.columnFamilyHandle)) {
                        for (entries.seekToFirst(); entries.isValid(); entries.next()) {
                            db.delete(state.columnFamilyHandle, unlogged, entries.key());
                        }
                        entries.status();
                    }
                }
            }
        }

        private Object field(String name) throws ReflectiveOperationException {
            Field field = RocksDBKeyedStateBackend.class.getDeclaredField(name);
            field.setAccessible(true);
            return field.get(backend);
        }
    }
}
