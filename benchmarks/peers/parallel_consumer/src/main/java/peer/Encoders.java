package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** Encoders by topic, with the schemas that the registry has for them. */
final class Encoders {
    private static final List<String> CHANNELS = List.of(
            "ads", "email", "social-media", "organic-search", "referral", "influencer", "direct", "other");

    private final Map<String, Encoder> byTopic;

    private Encoders(Map<String, Encoder> byTopic) {
        this.byTopic = byTopic;
    }

    static Encoders lookedUp(String registry, String prefix) throws IOException, InterruptedException {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        ObjectMapper json = new ObjectMapper();
        Map<String, Encoder> byTopic = new HashMap<>();
        for (String channel : CHANNELS) {
            String topic = prefix + channel;
            URI url = URI.create(registry + "/subjects/" + topic + "-value/versions/latest");
            HttpResponse<byte[]> response =
                    client.send(HttpRequest.newBuilder(url).build(), HttpResponse.BodyHandlers.ofByteArray());
            if (response.statusCode() != 200) {
                throw new IOException("the registry answers " + response.statusCode() + " for " + topic);
            }
            JsonNode found = json.readTree(response.body());
            Schema schema = new Schema.Parser().parse(found.path("schema").textValue());
            byTopic.put(topic, new Encoder(found.path("id").intValue(), schema));
        }
        return new Encoders(byTopic);
    }

    Encoder of(String topic) {
        return byTopic.get(topic);
    }

    /** One schema's encoder; for any number of threads. */
    static final class Encoder {
        private static final ThreadLocal<BinaryEncoder> REUSED = new ThreadLocal<>();

        private final int id;
        private final Schema schema;
        private final GenericDatumWriter<GenericRecord> writer;

        Encoder(int id, Schema schema) {
            this.id = id;
            this.schema = schema;
            this.writer = new GenericDatumWriter<>(schema);
        }

        byte[] encode(Event event) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
            bytes.write(0);
            bytes.writeBytes(ByteBuffer.allocate(Integer.BYTES).putInt(id).array());
            BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, REUSED.get());
            REUSED.set(encoder);
            try {
                writer.write(datum(event), encoder);
                encoder.flush();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return bytes.toByteArray();
        }

        private GenericRecord datum(Event event) {
            GenericRecord datum = record(schema, event.json());
            Event.Context context = event.context();
            datum.put("account", "default");
            datum.put("edition", context.edition());
            datum.put("revision", 0L);
            datum.put("order_id", context.orderId());
            datum.put("shop_currency", context.shopCurrency());
            datum.put("position", (long) event.position());
            datum.put("journey_size", (long) context.size());
            datum.put("fetched_at", context.fetchedAt());
            datum.put("event_at", event.at());
            datum.put("event_at_text", event.json().path("event_at").textValue());
            datum.put("actions", event.actions());
            datum.put("misfits", List.of());
            datum.put("extra", Map.of());
            return datum;
        }

        private static GenericRecord record(Schema schema, JsonNode json) {
            GenericRecord record = new GenericData.Record(schema);
            for (Schema.Field field : schema.getFields()) {
                JsonNode value = json.get(field.name());
                record.put(field.pos(), value == null ? null : value(field.schema(), value));
            }
            return record;
        }

        /** What fits a type of a value; null where nothing does. */
        private static Object value(Schema schema, JsonNode json) {
            if (json.isNull()) {
                return null;
            }
            return switch (schema.getType()) {
                case UNION -> value(schema.getTypes().get(1), json); // every union here is null and one more
                case STRING -> json.isValueNode() ? json.asText() : null;
                case LONG -> integer(json);
                case BYTES -> decimal(((LogicalTypes.Decimal) schema.getLogicalType()).getScale(), json);
                case RECORD -> json.isObject() ? record(schema, json) : null;
                case ARRAY -> json.isArray() ? array(schema, json) : null;
                default -> null;
            };
        }

        private static GenericData.Array<Object> array(Schema schema, JsonNode json) {
            GenericData.Array<Object> items = new GenericData.Array<>(json.size(), schema);
            json.forEach(item -> items.add(record(schema.getElementType(), item))); // of no object: a record of nulls
            return items;
        }

        private static ByteBuffer decimal(int scale, JsonNode json) {
            try {
                BigDecimal number = json.isTextual() ? new BigDecimal(json.textValue()) : json.decimalValue();
                return ByteBuffer.wrap(number.setScale(scale, RoundingMode.HALF_EVEN).unscaledValue().toByteArray());
            } catch (NumberFormatException error) {
                return null;
            }
        }

        private static Long integer(JsonNode json) {
            if (json.canConvertToExactIntegral() && json.canConvertToLong()) {
                return json.longValue();
            }
            try {
                return json.isTextual() ? Long.valueOf(json.textValue()) : null;
            } catch (NumberFormatException error) {
                return null;
            }
        }
    }
}
