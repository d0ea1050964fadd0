import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.transforms.Transformation;

/** Makes one line of JSON of each record: its topic, its key, and its value with the schema that Connect gave it. */
public final class ToJson<R extends ConnectRecord<R>> implements Transformation<R> {
    private final JsonConverter converter = new JsonConverter();

    @Override
    public void configure(Map<String, ?> settings) {
        converter.configure(Map.of("converter.type", "value", "decimal.format", "NUMERIC"));
    }

    @Override
    public R apply(R record) {
        byte[] value = converter.fromConnectData(record.topic(), record.valueSchema(), record.value());
        String text = new String(value, StandardCharsets.UTF_8);
        String line = "{\"topic\": \"%s\", \"key\": \"%s\", \"value\": %s}".formatted(record.topic(), record.key(), text);
        return record.newRecord(record.topic(), record.kafkaPartition(), null, null, null, line, record.timestamp());
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public void close() {
        converter.close();
    }
}
