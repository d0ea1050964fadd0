package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.confluent.parallelconsumer.PCRetriableException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Journeys by the order-event API, page by page; blocks the worker thread that asks. */
final class Journeys {
    private static final int PAGE_SIZE = 100;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();
    private final HttpRequest.Builder request;

    record Journey(String shopCurrency, List<JsonNode> events) {}

    Journeys(URI url, String key) {
        request = HttpRequest.newBuilder(url)
                .timeout(Duration.ofSeconds(30))
                .header("Accept", "application/json")
                .header("Content-Type", "application/json")
                .header("ApiKey", key);
    }

    /** A whole journey. Throws where a page cannot be had: Parallel Consumer tries the whole order again. */
    Journey of(String orderId) {
        List<JsonNode> events = new ArrayList<>();
        JsonNode data;
        int page = 1;
        do {
            data = page(orderId, page++);
            JsonNode found = data.path("events");
            if (found.isEmpty() && events.size() < data.path("total").asInt()) {
                throw new PCRetriableException("the journey of " + orderId + " ends early");
            }
            found.forEach(events::add);
        } while (events.size() < data.path("total").asInt());
        return new Journey(data.path("shop_currency").textValue(), events);
    }

    private JsonNode page(String orderId, int page) {
        ObjectNode body = JSON.createObjectNode();
        body.put("order_id", orderId).put("page", page).put("page_size", PAGE_SIZE);
        try {
            byte[] text = JSON.writeValueAsBytes(body);
            HttpResponse<byte[]> response =
                    client.send(request.copy().POST(BodyPublishers.ofByteArray(text)).build(), BodyHandlers.ofByteArray());
            if (response.statusCode() != 200) {
                throw new PCRetriableException("status " + response.statusCode() + " for " + orderId);
            }
            JsonNode document = JSON.readTree(response.body());
            if (document.path("code").asInt() != 1 || !document.path("data").isObject()) {
                throw new PCRetriableException("code " + document.path("code") + " for " + orderId);
            }
            return document.path("data");
        } catch (IOException error) {
            throw new PCRetriableException("no answer for " + orderId, error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new PCRetriableException("interrupted", error);
        }
    }
}
