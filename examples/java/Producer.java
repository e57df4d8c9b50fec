import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * An order system that sends an order in Avro, with nothing but Kafka's own client: Avro and the wire format are written by
 * hand. A schema of its own, of which it writes only what it has; moments resolves it to schemas/purchase.
 *
 * <pre>java -cp '.cache/kafka/libs/*' examples/java/Producer.java BOOTSTRAP REGISTRY TOPIC CUSTOMER ORDER</pre>
 */
public class Producer {
    static final String SCHEMA = """
        {"type": "record", "name": "Purchase", "namespace": "com.example.orders", "fields": [
          {"name": "event", "type": "string"},
          {"name": "userId", "type": "string"},
          {"name": "messageId", "type": "string"},
          {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
          {"name": "properties", "type": {"type": "record", "name": "PurchaseProperties", "fields": [
            {"name": "order_id", "type": "string"},
            {"name": "total", "type": "double"},
            {"name": "currency", "type": "string"}]}}]}
        """;

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 5) {
            System.err.println("usage: Producer BOOTSTRAP REGISTRY TOPIC CUSTOMER ORDER");
            System.exit(2);
        }
        String topic = arguments[2], customer = arguments[3], order = arguments[4];
        int id = register(arguments[1], topic + "-value");

        ByteArrayOutputStream value = new ByteArrayOutputStream();
        // Confluent's wire format: byte 0, the schema's id in 4 bytes, big-endian, and the datum.
        value.write(0);
        value.writeBytes(ByteBuffer.allocate(4).putInt(id).array());
        // The datum: the fields in the order of the schema, with nothing between.
        text(value, "Order Completed");
        text(value, customer);
        text(value, "order-" + order);
        number(value, System.currentTimeMillis());
        text(value, order);
        value.writeBytes(ByteBuffer.allocate(8).order(java.nio.ByteOrder.LITTLE_ENDIAN).putDouble(59.90).array());
        text(value, "EUR");

        // Java's clients hash keys with murmur2 by themselves.
        Map<String, Object> settings = Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0],
            ProducerConfig.ACKS_CONFIG, "all");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
            var sent = producer.send(new ProducerRecord<>(topic, customer, value.toByteArray())).get();
            System.out.println(sent.topic() + "/" + sent.partition() + "/" + sent.offset());
        }
    }

    /** The id of the schema under this subject; the registry gives the same one each time. */
    static int register(String registry, String subject) throws Exception {
        String body = "{\"schema\": \"" + SCHEMA.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ") + "\"}";
        HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + subject + "/versions"))
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        Matcher id = Pattern.compile("\"id\"\\s*:\\s*(\\d+)").matcher(answer.body());
        if (answer.statusCode() != 200 || !id.find()) {
            throw new IllegalStateException("the registry answers " + answer.statusCode() + ": " + answer.body());
        }
        return Integer.parseInt(id.group(1));
    }

    /** Avro's whole numbers: zigzag, then seven bits a byte, the lowest first. */
    static void number(ByteArrayOutputStream out, long value) {
        long rest = (value << 1) ^ (value >> 63);
        while ((rest & ~0x7FL) != 0) {
            out.write((int) (rest & 0x7F) | 0x80);
            rest >>>= 7;
        }
        out.write((int) rest);
    }

    /** Avro's strings: the length in bytes, and UTF-8. */
    static void text(ByteArrayOutputStream out, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        number(out, bytes.length);
        out.writeBytes(bytes);
    }
}
