package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.DateTimeException;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/** One event of a journey, as received, and where it stands. */
record Event(JsonNode json, int position, Context context) {
    private static final List<String> ACTIONS = List.of(
            "products", "cart_viewed", "checkout_started", "payment_info_submitted", "checkout_completed", "search_submitted");
    private static final Map<String, String> CHANNELS = Map.ofEntries(
            Map.entry("ad", "ads"),
            Map.entry("ads", "ads"),
            Map.entry("email", "email"),
            Map.entry("e-mail", "email"),
            Map.entry("social-media", "social-media"),
            Map.entry("socialmedia", "social-media"),
            Map.entry("organic-search", "organic-search"),
            Map.entry("organicsearch", "organic-search"),
            Map.entry("referral", "referral"),
            Map.entry("influencer", "influencer"),
            Map.entry("direct", "direct"));
    private static final Pattern SEPARATORS = Pattern.compile("[\\s_-]+");
    private static final Pattern ENDS = Pattern.compile("^-+|-+$");
    private static final DateTimeFormatter SPACED = DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss");
    private static final DateTimeFormatter COMPACT = DateTimeFormatter.ofPattern("uuuuMMdd HH:mm:ss");

    /** What all events of a journey share. */
    record Context(String orderId, String edition, String shopCurrency, int size, long fetchedAt) {}

    String channel() {
        String type = json.path("event_type").asText("");
        String normal = ENDS.matcher(SEPARATORS.matcher(type).replaceAll("-")).replaceAll("").toLowerCase(Locale.ROOT);
        return CHANNELS.getOrDefault(normal, "other");
    }

    /** When it happened, in UTC and milliseconds; null where that cannot be told. */
    Long at() {
        String text = json.path("event_at").textValue();
        if (text == null) {
            return null;
        }
        try {
            DateTimeFormatter format = text.indexOf('-') == 4 ? SPACED : COMPACT;
            return LocalDateTime.parse(text, format).toInstant(ZoneOffset.UTC).toEpochMilli();
        } catch (DateTimeException error) {
            return null;
        }
    }

    List<String> actions() {
        return ACTIONS.stream().filter(name -> json.hasNonNull(name)).toList();
    }
}
