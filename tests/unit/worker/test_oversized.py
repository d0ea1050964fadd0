"""An order whose journey holds a record that Kafka does not take."""

from __future__ import annotations

import pytest
from msgspec import structs

from journeys.errors import HaltError, RejectedOrderError
from journeys.model import Order, OrderMessage, Position
from journeys.routing import Routes, route_failure
from journeys.worker.assembly import _oversized
from journeys.worker.handover import FinishedOrder, taken_by

ERROR = RejectedOrderError("the API refuses this order", reason="status-400")
ROUTES = Routes(retry_tiers=(("orders.retry.1m", 60.0),), dead_letter="orders.dead-letter", empty_after=())


def finished(outcome: str) -> FinishedOrder:
    """An order that came from a retry tier, and what became of it."""
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


def test_its_dead_letter_is_that_of_the_original_message() -> None:
    """Where it came from first, how often it was tried, and none of the tier's own headers."""
    letter = _oversized(finished("published"), ROUTES)
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


def test_a_dead_letter_that_is_too_large_leaves_the_message_out() -> None:
    """What it tells stays, the order id among it, so that a replay asks for the same order."""
    whole = finished("dead-lettered")
    letter = _oversized(whole, ROUTES)
    [record] = letter.records
    told = dict(whole.records[0].headers)
    del told["trace"]
    assert (letter.outcome, record.topic, record.key, record.value) == (
        "dead-lettered",
        "orders.dead-letter",
        None,
        b"A-1",
    )
    assert dict(record.headers) == {**told, "error-left-out": "4"}
    assert letter.size == taken_by(letter.records)
    unread = structs.replace(whole, order=None)
    assert _oversized(unread, ROUTES).records[0].value == b""


def test_a_dead_letter_that_is_too_large_even_so_stops_the_worker() -> None:
    """There is no other place for it to go."""
    with pytest.raises(HaltError, match=r"max\.message\.bytes"):
        _oversized(_oversized(finished("dead-lettered"), ROUTES), ROUTES)
