import java.nio.file.Files;
import java.nio.file.Path;
import journeys.v1.OtherEvent;
import journeys.v1.Product;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.specific.SpecificDatumReader;

/** Reads one `OtherEvent` in the Confluent wire format from a file, with the classes that avro-tools generated. */
final class ReadOther {
    private static final int HEADER_BYTES = 5;

    public static void main(String[] arguments) throws Exception {
        byte[] value = Files.readAllBytes(Path.of(arguments[0]));
        var body = DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, null);
        OtherEvent event = new SpecificDatumReader<>(OtherEvent.class).read(null, body);
        Product product = event.getProducts().get(0);
        System.out.println(event.getOrderId());
        System.out.println(event.getEventAt());
        System.out.println(event.getCreator().getCreatorName());
        System.out.println(product.getProductName());
        System.out.println(product.getPrice());
        System.out.println(event.getCheckoutCompleted().getTotalPrice());
    }
}
