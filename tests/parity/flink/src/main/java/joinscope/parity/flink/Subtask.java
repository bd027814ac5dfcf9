package joinscope.parity.flink;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.io.disk.iomanager.IOManager;
import org.apache.flink.runtime.io.disk.iomanager.IOManagerAsync;
import org.apache.flink.runtime.memory.MemoryManager;
import org.apache.flink.runtime.memory.MemoryManagerBuilder;
import org.apache.flink.runtime.operators.testutils.MockEnvironment;
import org.apache.flink.runtime.operators.testutils.MockEnvironmentBuilder;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;

/**
 * What {@code KeyedTwoInputStreamOperatorTestHarness} is, over an environment
 * that shares its I/O threads and its memory with all others: thousands of
 * operators live and die here one after another.
 */
final class Subtask<K, IN, OUT> extends AbstractStreamOperatorTestHarness<OUT> {
    private static final IOManager IO = new IOManagerAsync();
    private static final MemoryManager MEMORY =
            MemoryManagerBuilder.newBuilder().setMemorySize(1 << 20).build();

    private final TwoInputStreamOperator<IN, IN, OUT> operator;

    Subtask(
            TwoInputStreamOperator<IN, IN, OUT> operator,
            KeySelector<IN, K> key,
            TypeInformation<K> keyType,
            int maxParallelism,
            TypeSerializer<IN> in)
            throws Exception {
        super(operator, environment(maxParallelism));
        this.operator = operator;
        config.setStatePartitioner(0, key);
        config.setStatePartitioner(1, key);
        config.setStateKeySerializer(keyType.createSerializer(executionConfig.getSerializerConfig()));
        config.setupNetworkInputs(in, in);
        config.serializeAllConfigs();
    }

    private static MockEnvironment environment(int maxParallelism) {
        return new MockEnvironmentBuilder()
                .setTaskName("join")
                .setIOManager(IO)
                .setMemoryManager(MEMORY)
                .setMaxParallelism(maxParallelism)
                .setParallelism(1)
                .setSubtaskIndex(0)
                .build();
    }

    void left(StreamRecord<IN> record) throws Exception {
        operator.setKeyContextElement1(record);
        operator.processElement1(record);
    }

    void right(StreamRecord<IN> record) throws Exception {
        operator.setKeyContextElement2(record);
        operator.processElement2(record);
    }

    void watermark(boolean left, Watermark mark) throws Exception {
        if (left) {
            operator.processWatermark1(mark);
        } else {
            operator.processWatermark2(mark);
        }
    }

    void status(boolean left, WatermarkStatus status) throws Exception {
        if (left) {
            operator.processWatermarkStatus1(status);
        } else {
            operator.processWatermarkStatus2(status);
        }
    }
}
