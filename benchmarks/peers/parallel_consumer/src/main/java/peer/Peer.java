package peer;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Order ids in, the events of their journeys out, by Parallel Consumer's pollAndProduceMany. */
public final class Peer {
    private final Journeys journeys;
    private final Encoders encoders;
    private final String prefix;

    private Peer(Journeys journeys, Encoders encoders, String prefix) {
        this.journeys = journeys;
        this.encoders = encoders;
        this.prefix = prefix;
    }

    public static void main(String[] arguments) throws Exception {
        String prefix = setting("PEER_PREFIX");
        Journeys journeys = new Journeys(URI.create(setting("PEER_API_URL")), setting("PEER_API_KEY"));
        Encoders encoders = Encoders.lookedUp(setting("PEER_REGISTRY"), prefix);
        Peer peer = new Peer(journeys, encoders, prefix);

        ParallelStreamProcessor<String, byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options());
        processor.subscribe(List.of(setting("PEER_ORDERS")));
        Runtime.getRuntime().addShutdownHook(new Thread(processor::close, "shutdown"));
        // What is thrown within is logged, and the order tried again after a second (the default), for as long as it takes;
        // the others go on meanwhile.
        processor.pollAndProduceMany(context -> peer.eventsOf(context.getSingleConsumerRecord()));
        System.err.println("started");
    }

    private List<ProducerRecord<String, byte[]>> eventsOf(ConsumerRecord<String, byte[]> order) {
        String orderId = new String(order.value(), StandardCharsets.UTF_8);
        Journeys.Journey journey = journeys.of(orderId);
        String edition = order.topic() + "/" + order.partition() + "/" + order.offset();
        Event.Context context = new Event.Context(
                orderId, edition, journey.shopCurrency(), journey.events().size(), System.currentTimeMillis());
        List<ProducerRecord<String, byte[]>> records = new ArrayList<>(journey.events().size());
        for (int position = 0; position < journey.events().size(); position++) {
            Event event = new Event(journey.events().get(position), position, context);
            String topic = prefix + event.channel();
            records.add(new ProducerRecord<>(topic, orderId, encoders.of(topic).encode(event)));
        }
        return records;
    }

    private static ParallelConsumerOptions<String, byte[]> options() {
        boolean transactional = transactional();
        return ParallelConsumerOptions.<String, byte[]>builder()
                .ordering(ProcessingOrder.UNORDERED)
                .maxConcurrency(Integer.parseInt(setting("PEER_CONCURRENCY")))
                .commitMode(transactional
                        ? CommitMode.PERIODIC_TRANSACTIONAL_PRODUCER
                        : CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
                // Orders may be asked for while a transaction commits. That is off by default only because whatever
                // processing does outside Kafka could be done twice; here it reads, and nothing else.
                .allowEagerProcessingDuringTransactionCommit(transactional && eager())
                .consumer(new KafkaConsumer<>(consumer(), new StringDeserializer(), new ByteArrayDeserializer()))
                .producer(new KafkaProducer<>(producer(), new StringSerializer(), new ByteArraySerializer()))
                .build();
    }

    private static Properties consumer() {
        Properties names = new Properties();
        names.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, setting("PEER_BOOTSTRAP"));
        names.put(ConsumerConfig.GROUP_ID_CONFIG, setting("PEER_GROUP"));
        names.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        names.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false); // Parallel Consumer insists on it
        names.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        return names;
    }

    private static Properties producer() {
        Properties names = new Properties();
        names.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, setting("PEER_BOOTSTRAP"));
        names.put(ProducerConfig.LINGER_MS_CONFIG, 5); // the default from Kafka 4.0 on
        if (transactional()) {
            // The same after a restart, so that what a crash left open is aborted at once.
            names.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, setting("PEER_GROUP") + "-" + setting("PEER_INSTANCE", "0"));
        }
        return names;
    }

    private static boolean transactional() {
        String mode = setting("PEER_MODE", "transactional");
        return switch (mode) {
            case "transactional" -> true;
            case "async" -> false;
            default -> throw new IllegalArgumentException("PEER_MODE is " + mode + ", not transactional or async");
        };
    }

    private static boolean eager() {
        return Boolean.parseBoolean(setting("PEER_EAGER", "true"));
    }

    private static String setting(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalArgumentException(name + " is not set");
        }
        return value;
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
