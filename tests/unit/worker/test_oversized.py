"""An order whose journey holds a record that Kafka does not take becomes a dead letter, wherever it was read from."""

from __future__ import annotations

from journeys.errors import RefusedError
from journeys.model import Order, OrderMessage, Position, Record
from journeys.worker.desk import Finished
from journeys.worker.disposal import Routes, dispose
from journeys.worker.service import _oversized

ROUTES = Routes(retry_tiers=(("orders.retry.1m", 60.0),), dead_letter="orders.dead-letter", empty_after=())


def retried() -> Finished:
    """A journey of an order that has been through a retry tier."""
    message = OrderMessage(
        position=Position(topic="orders.retry.1m", partition=3, offset=7),
        key=b"key",
        value=b"A-1",
        headers=(("origin", b"shop"), ("edition", b"orders/0/5"), ("attempt", b"1"), ("not-before", b"1")),
        timestamp_ms=0,
    )
    order = Order(
        order_id="A-1",
        account="default",
        edition="orders/0/5",
        timestamp_ms=0,
        attempt=1,
        absences=0,
        message=message,
    )
    record = Record(topic="journey.ads", key=b"A-1", value=b"x", headers=[])
    return Finished(epoch=1, message=message, outcome="published", records=[record], size=4, at=0.0, order=order)


def test_the_dead_letter_of_a_retried_order_names_the_original_message() -> None:
    """It is the same as that of any other order that goes from a retry tier to the dead letters."""
    finished = retried()
    letter = _oversized(finished, ROUTES)
    error = RefusedError("other words", reason="record-too-large", stage="publish")
    expected, _ = dispose(finished.message, finished.order, error, ROUTES, now_ms=0)
    worded = {"error-message", "error-time"}
    [record] = letter.records
    assert [header for header in record.headers if header[0] not in worded] == [
        header for header in expected.headers if header[0] not in worded
    ]
    assert ("error-topic", "orders") in record.headers
    assert ("error-offset", "5") in record.headers
    assert (letter.outcome, letter.reason, letter.order_id) == ("dead-lettered", "record-too-large", "A-1")
