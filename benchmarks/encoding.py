"""What one event costs on its way from decoded JSON to a record, in microseconds of one core.

Run with `.venv/bin/python benchmarks/encoding.py`; compare only numbers of one machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from journeys import avro
from journeys.model import Journey
from journeys.producer import schemas
from journeys.producer.body import compiled
from journeys.producer.conform import Plan
from journeys.producer.encoder import JourneyEncoder

NULL_OBJECTS = (
    "creator email social_media organic_search products cart_viewed checkout_started checkout_completed "
    "payment_info_submitted search_submitted"
)
VISIT: dict[str, Any] = dict.fromkeys(NULL_OBJECTS.split()) | {
    "event_id": "2f1c7b9de001000a0rlqh770iye005p0",
    "event_at": "2024-05-06 07:08:09",
    "event_page_url": "https://shop.example/products/lamp?" + "campaign=0123456789&" * 8,
    "event_page_title": "Lamp",
    "event_page_referrer": "",
    "event_page_ip": "192.0.2.7",
    "event_page_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/124.0.0",
    "event_campaign": "Spring",
    "event_source": "search",
    "event_medium": "ads",
    "event_type": "ad",
    "ad": {
        "account_id": "1001",
        "account_name": "Shop",
        "campaign_id": "2002",
        "campaign_name": "Spring",
        "set_id": "3003",
        "set_name": "Lamps",
        "ad_id": "4004",
        "ad_name": "Lamp",
        "keyword": "",
        "ad_platform": "search",
    },
}
LAMP = {"other_product_id": "1", "product_name": "Lamp", "currency": "EUR", "price": 129, "quantity": 1}
CART = {"currency": "EUR", "total_price": 129, "total_quantity": 1, "shop_currency_total_price": 129}
BUYING = VISIT | {"products": [LAMP, LAMP], "cart_viewed": CART}


def microseconds(call: Callable[[], object], calls: int = 3000, rounds: int = 5) -> float:
    """The best round's time for one call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - start) / calls * 1e6)
    return min(times)


def journey_of(event: dict[str, Any], size: int) -> Journey:
    """A journey of the same event, again and again."""
    return Journey(
        order_id="1001",
        account="default",
        edition="orders.completed/3/42",
        order_timestamp_ms=0,
        events=(event,) * size,
        total=size,
        pages=1,
        repeated=0,
        consistent=True,
        shop_currency="EUR",
        extra={},
        fetched_at_ms=0,
    )


def main() -> None:
    """Print a line for a plain visit and one for a visit with products and a cart."""
    schema = schemas.load("AdsEvent")
    plan, body, general = Plan(schema, elsewhere=NULL_OBJECTS.split()), compiled(schema), avro.Schema(schema)
    ids = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
    encoder = JourneyEncoder(ids)
    journey_fields = {"account": "a", "edition": "e", "order_id": "o", "shop_currency": None}
    print(f"{'µs per event':14}{'conform':>9}{'Avro':>7}{'(fastavro':>11}){'all, 10 events an order':>26}")
    for name, event in (("visit", VISIT), ("buying", BUYING)):
        datum = plan(event) | journey_fields | {"position": 0, "journey_size": 1, "fetched_at": 0}
        journey = journey_of(event, 10)
        fit = microseconds(lambda event=event: plan(event))  # type: ignore[misc]
        write = microseconds(lambda datum=datum: body(datum))  # type: ignore[misc]
        slow = microseconds(lambda datum=datum: general.encode(datum))  # type: ignore[misc]
        whole = microseconds(lambda journey=journey: encoder.encode(journey), calls=300) / 10  # type: ignore[misc]
        print(f"{name:14}{fit:9.1f}{write:7.1f}{slow:11.1f} {whole:26.1f}")


if __name__ == "__main__":
    main()
