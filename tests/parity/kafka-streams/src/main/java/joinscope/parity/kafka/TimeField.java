package joinscope.parity.kafka;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.serialization.Deserializer;

/** Of a JSON object's bytes, the integer in one field: all that the join needs of a value. */
final class TimeField implements Deserializer<Long> {
    private final JsonFactory factory = new JsonFactory();
    private final String field;

    TimeField(String field) {
        this.field = field;
    }

    /** Null for a value that is null or has no such field. */
    @Override
    public Long deserialize(String topic, byte[] value) {
        if (value == null) {
            return null;
        }
        try (JsonParser parser = factory.createParser(value)) {
            Long time = null;
            parser.nextToken();
            // To the end: what is cut off is no value.
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean here = parser.currentName().equals(field);
                JsonToken token = parser.nextToken();
                if (here && token == JsonToken.VALUE_NUMBER_INT) {
                    time = parser.getLongValue();
                } else {
                    parser.skipChildren();
                }
            }
            return time;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
