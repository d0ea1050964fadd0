"""An order with a record that Kafka refuses as too large."""

from __future__ import annotations

import pytest
from msgspec import structs

from journeys.errors import HaltError, RejectedOrderError
from journeys.model import Order, OrderMessage, Position
from journeys.routing import Routes, route_failure
from journeys.worker.handover import FinishedOrder, taken_by
from journeys.worker.oversized import replace_oversized

ERROR = RejectedOrderError("the API refuses this order", reason="status-400")
ROUTES = Routes(
    group="journeys", retry_tiers=(("orders.retry.1m", 60.0),), dead_letter="orders.dead-letter", empty_after=()
)


def finished(outcome: str) -> FinishedOrder:
    """An order from a retry tier, with this outcome."""
    position = Position(topic="orders.retry.1m", partition=0, offset=9)
    headers = (("trace", b"t"), ("attempt", b"1"), ("edition", b"orders.completed/3/5"))
    message = OrderMessage(position=position, key=b"k", value=b"A-1", headers=headers, timestamp_ms=7)
    order = Order(
        order_id="A-1",
        account="default",
        edition="orders.completed/3/5",
        timestamp_ms=7,
        attempt=1,
        absences=0,
        message=message,
    )
    records = [] if outcome == "published" else [route_failure(message, order, ERROR, ROUTES, now_ms=5)[0]]
    return FinishedOrder(epoch=1, message=message, outcome=outcome, records=records, size=0, at=0.0, order=order)


def replaced(oversized: FinishedOrder) -> FinishedOrder:
    """The order that is published in its place."""
    return replace_oversized(oversized, ROUTES, now_ms=5)


def test_oversized_journey_becomes_a_dead_letter_of_the_original_message() -> None:
    """It has the source and attempts of the original message, and none of the tier's headers."""
    letter = replaced(finished("published"))
    [record] = letter.records
    headers = dict(record.headers)
    assert (letter.outcome, letter.reason, record.topic) == ("dead-lettered", "record-too-large", "orders.dead-letter")
    assert (headers["error-topic"], headers["error-partition"], headers["error-offset"]) == (
        "orders.completed",
        "3",
        "5",
    )
    assert (headers["error-attempts"], headers["trace"]) == ("2", b"t")
    assert "attempt" not in headers
    assert letter.size == taken_by(letter.records)


def test_oversized_dead_letter_is_stripped() -> None:
    """The error headers and the order id stay, so that a replay asks for the same order."""
    whole = finished("dead-lettered")
    letter = replaced(whole)
    [record] = letter.records
    errors = dict(whole.records[0].headers)
    del errors["trace"]
    assert (letter.outcome, record.topic, record.key, record.value) == (
        "dead-lettered",
        "orders.dead-letter",
        None,
        b"A-1",
    )
    assert dict(record.headers) == {**errors, "error-left-out": "4"}
    assert letter.size == taken_by(letter.records)
    unread = structs.replace(whole, order=None)
    assert replaced(unread).records[0].value == b""


def test_oversized_stripped_letter_halts() -> None:
    """There is no smaller record to publish."""
    with pytest.raises(HaltError, match=r"max\.message\.bytes"):
        replaced(replaced(finished("dead-lettered")))
