"""Where an order goes that cannot be published now: a retry tier, or the dead letters. Pure.

Both are records like any other, published in the transaction that commits the order's offset. The original key,
value and headers travel along; our own headers are overwritten, never appended (spring-kafka #2549: tripled).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from journeys.errors import NotFoundYetError, OrderError, Verdict
from journeys.model import Order, OrderMessage, Record

OWN_HEADERS = frozenset(
    {"edition", "account", "order-timestamp", "attempt", "absences", "not-before", "retry-reason"},
)
"""What a retry tier's record has beside the headers of the order message."""
_LEFT_OUT = "error-left-out"
"""Bytes of key and value that a dead letter does without."""
_TOLD = frozenset(
    {
        "error-reason",
        "error-stage",
        "error-message",
        "error-attempts",
        "error-topic",
        "error-partition",
        "error-offset",
        "error-time",
        _LEFT_OUT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Topics and delays, from the settings. Delays are in seconds, tiers in ascending order of delay."""

    retry_tiers: tuple[tuple[str, float], ...]
    dead_letter: str
    empty_after: tuple[float, ...]

    @property
    def longest(self) -> float:
        """The longest delay of a retry."""
        return max((*(delay for _, delay in self.retry_tiers), *self.empty_after), default=0.0)

    def accepts_empty(self, order: Order) -> bool:
        """Whether this order was found absent often enough to be published as an empty journey."""
        return order.absences >= len(self.empty_after)


def route_failure(
    message: OrderMessage,
    order: Order | None,
    error: OrderError,
    routes: Routes,
    *,
    now_ms: int,
    others_answered: bool = True,
) -> tuple[Record, str]:
    """The record that takes the order on, and what became of it: `retried` or `dead-lettered`.

    `order` is None for a message that could not be read. `others_answered` tells whether the API answered for any other
    order since this one was put into its tier. Where it did not, nothing says that it is this order's fault: after
    the last tier it waits there again.
    """
    if order is not None and error.verdict is not Verdict.DEAD_LETTER:
        delay = _delay(order, error, routes, others_answered=others_answered)
        if delay is not None:
            return _retry(order, error, routes.retry_tiers, delay, now_ms=now_ms), "retried"
    return _dead_letter(message, order, error, routes.dead_letter, now_ms=now_ms), "dead-lettered"


def _delay(order: Order, error: OrderError, routes: Routes, *, others_answered: bool) -> float | None:
    """Seconds until the order is due again; None when no tier is left."""
    if not routes.retry_tiers:
        return None
    if isinstance(error, NotFoundYetError) and order.absences < len(routes.empty_after):
        return routes.empty_after[order.absences]
    tried = max(0, order.attempt - order.absences)
    if not others_answered:
        tried = min(tried, len(routes.retry_tiers) - 1)
    return routes.retry_tiers[tried][1] if tried < len(routes.retry_tiers) else None


def _retry(order: Order, error: OrderError, tiers: Sequence[tuple[str, float]], delay: float, *, now_ms: int) -> Record:
    """A tier holds records of about the same delay, so that the first is about the first one due."""
    topic = next((topic for topic, tier in reversed(tiers) if tier <= delay), tiers[0][0])
    absent = isinstance(error, NotFoundYetError)
    message = order.message
    timestamp = [] if order.timestamp_ms is None else [("order-timestamp", str(order.timestamp_ms))]
    return Record(
        topic=topic,
        key=message.key,
        value=message.value,
        headers=[
            *_foreign(message),
            ("account", order.account),
            ("edition", order.edition),
            *timestamp,
            ("attempt", str(order.attempt + 1)),
            ("absences", str(order.absences + absent)),
            ("not-before", str(now_ms + int(delay * 1000))),
            ("retry-reason", error.reason),
        ],
    )


def _dead_letter(message: OrderMessage, order: Order | None, error: OrderError, topic: str, *, now_ms: int) -> Record:
    source = str(message.position) if order is None or order.edition.count("/") < 2 else order.edition
    source_topic, partition, offset = source.rsplit("/", 2)
    return Record(
        topic=topic,
        key=message.key,
        value=message.value,
        headers=[
            *(_foreign(message) if order is not None and order.attempt else message.headers),
            ("error-reason", error.reason),
            ("error-stage", error.stage),
            ("error-message", str(error)),
            ("error-attempts", str(1 + (order.attempt if order is not None else 0))),
            ("error-topic", source_topic),
            ("error-partition", partition),
            ("error-offset", offset),
            ("error-time", str(now_ms)),
        ],
    )


def bare(letter: Record, order: Order | None) -> Record | None:
    """What a dead letter tells, without the message's key, headers and value: in its place, the order id if there is
    one, and how large it was. None where it is so already.

    A replay of it asks for the same order, or makes a dead letter of it again.
    """
    told = {name: value for name, value in letter.headers if name in _TOLD}
    if _LEFT_OUT in told:
        return None
    told[_LEFT_OUT] = str(letter.size)
    value = b"" if order is None else order.order_id.encode()
    return Record(topic=letter.topic, key=None, value=value, headers=[*told.items()])


def _foreign(message: OrderMessage) -> list[tuple[str, str | bytes | None]]:
    return [(name, value) for name, value in message.headers if name not in OWN_HEADERS]
