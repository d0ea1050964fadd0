"""Happenings of a worker, and the orders in them."""

from __future__ import annotations

from typing import Final

from journeys.model import Order, OrderMessage, Position, Record
from journeys.ops.health import Health, Unready
from journeys.producer.publisher import Outcome, Result
from journeys.worker.handover import FinishedOrder
from journeys.worker.happenings import TransactionEnded


def why(health: Health, reason: Unready) -> str | None:
    """The text of an unready reason; None if it does not hold."""
    trouble = health.readiness().unready.get(reason)
    return None if trouble is None else trouble.why


def message_of(order_id: str) -> OrderMessage:
    """An order message, always at the same position."""
    position = Position(topic="orders", partition=0, offset=7)
    return OrderMessage(position=position, key=None, value=order_id.encode(), headers=(), timestamp_ms=None)


def finished(outcome: str, *topics: str, reason: str | None = None) -> FinishedOrder:
    """A finished order with a record for each of these topics."""
    message = message_of("A-1")
    records = [Record(topic=topic, key=b"k", value=b"v", headers=[]) for topic in topics]
    return FinishedOrder(
        epoch=1, message=message, outcome=outcome, records=records, size=0, at=0.0, order=None, reason=reason
    )


def order_of(*, written_ms: int | None) -> Order:
    """An order whose first message has this time, in milliseconds since the epoch."""
    return Order(
        order_id="A-1",
        account="default",
        edition="orders/0/7",
        timestamp_ms=written_ms,
        attempt=1,
        absences=0,
        message=message_of("A-1"),
    )


ORDERS: Final = (
    finished("published", "journey.ads", "journey.ads", "journey.rejected"),
    finished("retried", "orders.retry.1m", reason="status-503"),
    finished("dead-lettered", "orders.dead-letter", reason="status-400"),
    finished("skipped"),
)


def aborted(*, missing: str | None = None, forbidden: str | None = None) -> TransactionEnded:
    """An aborted transaction, because of one of these topics."""
    reason = "NOT_ENOUGH_REPLICAS: too few"
    result = Result(outcome=Outcome.ABORTED, reason=reason, missing_topic=missing, forbidden_topic=forbidden)
    return TransactionEnded(result, (), 0.1)


COMMITTED: Final = TransactionEnded(Result(outcome=Outcome.COMMITTED), (), 0.1)
