"""One made-up order whose journey fills every field of every record, and the records that the encoder makes of it.

The readers and warehouses of `tests/downstream` read them, and `docs/schemas.md` takes its examples from them.
"""

from __future__ import annotations

from typing import Any

from tests.expectations import SOURCES

from journeys.avro import wire
from journeys.avro.schema import Schema
from journeys.model import Journey, Record
from journeys.number import Number
from journeys.producer import schemas
from journeys.producer.channels import Channel
from journeys.producer.encoding.journey import JourneyEncoder

PREFIX = "journey."
IDS = {schemas.subject(PREFIX, name): number for number, name in enumerate(schemas.RECORDS, 1)}
"""Subject → schema id."""
ORDER = "5123456789"

_CHECKOUT = {
    "other_order_id": ORDER,
    "other_order_no": "1042",
    "currency": "USD",
    "total_price": Number("139.90"),
    "shop_currency_total_price": "129.50",
}
_ON_SITE: dict[str, Any] = {
    "products": [
        {
            "other_product_id": "7364920183",
            "other_variant_id": "41829304756",
            "product_name": "Linen shirt",
            "variant_name": "M / sand",
            "final_name": "Linen shirt, M / sand",
            "currency": "USD",
            "price": Number("69.95"),
            "quantity": 2,
            "shop_currency_price": Number("64.75"),
        },
    ],
    "cart_viewed": {
        "currency": "USD",
        "total_price": Number("139.90"),
        "total_quantity": 2,
        "shop_currency_total_price": "129.50",
    },
    "checkout_started": _CHECKOUT,
    "payment_info_submitted": _CHECKOUT,
    "checkout_completed": _CHECKOUT,
    "search_submitted": {"search_query": "linen shirt"},
}
_OBJECTS: dict[str, Any] = {
    "ad": {
        "account_id": "123456789012",
        "account_name": "Example Shop",
        "campaign_id": "120210000000123457",
        "campaign_name": "Spring launch",
        "set_id": "120210000000123458",
        "set_name": "Retargeting 30 days",
        "ad_id": "120210000000123459",
        "ad_name": "Video, 15 s",
        "keyword": "linen shirt",
        "ad_platform": "google",
    },
    "email": {"receiver_email": "reader@mail.example", "email_platform": "klaviyo"},
    "social_media": {"social_media_platform": "instagram"},
    "organic_search": {"organic_search_platform": "google", "organic_search_query": "linen shirt"},
    "creator": {
        "creator_id": "88120",
        "creator_name": "Creator 88",
        "creator_url": "https://go.example/88120?to=shirts",
        "creator_short_url": "https://go.example/88",
        "creator_origin_url": "https://shop.example/p/42",
        "creator_type": "Influencer",
        "creator_cost": 500,
        "creator_source": "youtube",
        "creator_campaign": "Spring launch",
        "creator_platform": "youtube",
    },
}
_OWN = {
    Channel.ADS: "ad",
    Channel.EMAIL: "email",
    Channel.SOCIAL_MEDIA: "social_media",
    Channel.ORGANIC_SEARCH: "organic_search",
    Channel.INFLUENCER: "creator",
}


def event(channel: Channel, number: int = 0) -> dict[str, Any]:
    """An event of a channel with every field that its record has; `other` has the objects of all channels."""
    objects = (
        _OBJECTS
        if channel is Channel.OTHER
        else {name: _OBJECTS[name] for name in [_OWN[channel]]}
        if channel in _OWN
        else {}
    )
    return {
        "event_id": f"7d793037a0760186574b0282f2f435{number:02x}",
        "event_at": f"2026-03-29 08:26:{number:02}",
        "event_page_url": "https://shop.example/p/42?utm_source=google",
        "event_page_title": "Linen shirt",
        "event_page_referrer": "https://google.example/",
        "event_page_ip": "203.0.113.7",
        "event_page_user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "event_campaign": "Spring launch",
        "event_source": "google",
        "event_medium": "cpc",
        "event_type": "sms" if channel is Channel.OTHER else channel.value,
        **dict.fromkeys(SOURCES),
        **objects,
        **_ON_SITE,
    }


def journey() -> Journey:
    """One event of each channel, one with a misfit and an unknown field, one of nulls, and an item that is no event."""
    events = [event(channel, number) for number, channel in enumerate(Channel)]
    odd = event(Channel.ADS, len(events)) | {"event_page_ip": ["203.0.113.7"], "event_score": Number("0.75")}
    return Journey(
        order_id=ORDER,
        account="default",
        edition="orders.completed/3/42",
        order_timestamp_ms=1_774_772_000_000,
        events=(*events, odd, {}, None),
        total=len(events) + 3,
        pages=1,
        repeated=0,
        shared_ids=0,
        consistent=True,
        shop_currency="EUR",
        extra={"/attribution_model": "linear"},
        fetched_at_ms=1_774_772_800_123,
    )


def records(of: Journey | None = None) -> list[Record]:
    """The records of the sample order, at least one for each topic, or of another journey."""
    return JourneyEncoder(IDS, topic_prefix=PREFIX).encode(of or journey())


def decoded(name: str, of: Journey | None = None) -> list[dict[str, Any]]:
    """As `records`, but those of one topic only, as data; `name` is the end of the topic's name."""
    schema = Schema(schemas.load(schemas.RECORDS[name]))
    topic = schemas.topic(PREFIX, name)
    return [schema.decode(wire.unframe(record.value or b"")[1]) for record in records(of) if record.topic == topic]
