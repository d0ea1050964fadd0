"""A published record as one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.support.json_pages import differences

from journeys.model import OrderMessage, Position
from journeys.tools.tail.line import PublishedRecord

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "order_id": "A-1",
    "event_at": AT,
    "event_campaign": "summer",
    "event_page_title": "Shop",
    "actions": ["cart_viewed"],
    "cart_viewed": {"total_price": Decimal("9.500"), "currency": "EUR"},
    "misfits": ["/ad/ad_id", "/x"],
    "position": 0,
}
SUMMARY: dict[str, Any] = {
    "order_id": "A-1",
    "edition": "orders/0/1",
    "expected": {"email": 2, "ads": 1, "direct": 0},
    "order_total": Decimal(7),
    "order_currency": None,
    "fetched_at": AT,
}


def record(channel: str, value: dict[str, Any]) -> PublishedRecord:
    """A record of this channel."""
    place = Position(topic=f"journey.{channel}", partition=2, offset=17)
    message = OrderMessage(position=place, key=b"A-1", value=b"", headers=(), timestamp_ms=1_764_064_800_000)
    return PublishedRecord(channel=channel, message=message, value=value)


def test_event_shows_order_campaign_page_actions_money_and_misfits() -> None:
    """In the order of columns."""
    shown = record("ads", EVENT)
    assert shown.parts() == ["A-1", "summer", "Shop", "viewed the basket", "9.50 EUR", "misfits: /ad/ad_id, /x"]
    assert shown.time == "2026-11-25T10:00:00.000Z"


def test_summary_shows_edition_counts_and_total() -> None:
    """A channel without events is left out."""
    shown = record("summary", SUMMARY)
    assert shown.parts() == ["A-1", "edition orders/0/1", "ads 1, email 2", "7.00"]
    assert shown.time == "2026-11-25T10:00:00.000Z"
    assert record("summary", {**SUMMARY, "expected": {}, "order_total": None}).parts()[2:] == ["no events", ""]


def test_rejected_item_shows_its_raw_json() -> None:
    """It is no event, so it has no other fields."""
    assert record("rejected", {"order_id": "A-1", "raw": "null", "fetched_at": AT}).parts() == ["A-1", "null"]


def test_json_is_as_its_page_says() -> None:
    """The whole record, with plain values."""
    found = json.loads(json.dumps(record("ads", EVENT).as_json()))
    assert differences("journeys tail", found) == []
    assert (found["position"], found["written"]) == ("journey.ads/2/17", "2025-11-25T10:00:00.000Z")
    assert found["record"]["cart_viewed"] == {"total_price": "9.50", "currency": "EUR"}
