"""The next topic of an order that cannot be published now: a retry tier, or the dead letters. No I/O.

Both kinds of record are published in the transaction that commits the order's offset. They keep the key, value and
headers of the order message. Our own headers replace earlier ones of the same name and are never appended beside them
(spring-kafka #2549: headers tripled).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from journeys.errors import NotFoundYetError, OrderError, Verdict
from journeys.headers import ErrorHeader, RetryHeader
from journeys.model import Order, OrderMessage, Record

_RETRY_HEADERS = frozenset(RetryHeader)
_ERROR_HEADERS = frozenset(ErrorHeader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Topics and delays, from the settings. Delays are in seconds, tiers in ascending order of delay."""

    group: str
    """The consumer group of the order topics."""
    retry_tiers: tuple[tuple[str, float], ...]
    dead_letter: str
    empty_after: tuple[float, ...]

    def foreign_group(self, message: OrderMessage) -> str | None:
        """The other group that a record of a retry tier belongs to; None for our own record, or of another topic.

        Two groups may share a prefix. If both tried an order again, each retry would become two.
        """
        if all(message.position.topic != topic for topic, _ in self.retry_tiers):
            return None
        group = (message.header(RetryHeader.GROUP) or b"").decode(errors="replace")
        return group if group not in ("", self.group) else None

    def accepts_empty(self, order: Order) -> bool:
        """Whether this order was found absent often enough to be published as an empty journey."""
        return order.absences >= len(self.empty_after)


def longest_delay_s(retry_tiers: Iterable[tuple[str, float]], empty_after: Iterable[float]) -> float:
    """The longest delay of a retry, in seconds. The arguments are those of `Routes`."""
    return max((*(delay_s for _, delay_s in retry_tiers), *empty_after), default=0.0)


def route_failure(
    message: OrderMessage,
    order: Order | None,
    error: OrderError,
    routes: Routes,
    *,
    now_ms: int,
    others_answered: bool = True,
) -> tuple[Record, str]:
    """The record that takes the order on, and its outcome: `retried` or `dead-lettered`.

    `order` is None for a message that could not be read. `others_answered` says whether the API answered for any other
    order since this one went into its tier. If it did not, the failure may be the API's and not this order's. The order
    then waits in the last tier again instead of becoming a dead letter.
    """
    if order is not None and error.verdict is not Verdict.DEAD_LETTER:
        delay_s = _delay(order, error, routes, others_answered=others_answered)
        if delay_s is not None:
            return _retry(order, error, routes, delay_s, now_ms=now_ms), "retried"
    return _dead_letter(message, order, error, routes, now_ms=now_ms), "dead-lettered"


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


def tier_of(delay_s: float, tiers: Sequence[tuple[str, float]]) -> str:
    """The retry topic of a delay: the tier with the longest delay up to it, else the first tier.

    A tier holds records of similar delays, so the first record is about the first one due.
    """
    return next((topic for topic, tier_s in reversed(tiers) if tier_s <= delay_s), tiers[0][0])


def _retry(order: Order, error: OrderError, routes: Routes, delay_s: float, *, now_ms: int) -> Record:
    """The record for the tier of this delay."""
    topic = tier_of(delay_s, routes.retry_tiers)
    absent = isinstance(error, NotFoundYetError)
    message = order.message
    timestamp = [] if order.timestamp_ms is None else [(RetryHeader.ORDER_TIMESTAMP, str(order.timestamp_ms))]
    return Record(
        topic=topic,
        key=message.key,
        value=message.value,
        headers=[
            *_headers_without(message, _RETRY_HEADERS),
            (RetryHeader.ACCOUNT, order.account),
            (RetryHeader.EDITION, order.edition),
            *timestamp,
            (RetryHeader.ATTEMPT, str(order.attempt + 1)),
            (RetryHeader.ABSENCES, str(order.absences + absent)),
            (RetryHeader.NOT_BEFORE, str(now_ms + int(delay_s * 1000))),
            (RetryHeader.REASON, error.reason),
            (RetryHeader.FETCHED_AT, str(order.next_fetched_at_ms(now_ms))),
            (RetryHeader.REVISION, str(order.revision)),
            (RetryHeader.GROUP, routes.group),
        ],
    )


def _dead_letter(
    message: OrderMessage, order: Order | None, error: OrderError, routes: Routes, *, now_ms: int
) -> Record:
    source = str(message.position) if order is None or order.edition.count("/") < 2 else order.edition
    source_topic, partition, offset = source.rsplit("/", 2)
    ours = _ERROR_HEADERS | _RETRY_HEADERS if order is not None and order.attempt else _ERROR_HEADERS
    fetched_at = [] if order is None else [(ErrorHeader.FETCHED_AT, str(order.next_fetched_at_ms(now_ms)))]
    return Record(
        topic=routes.dead_letter,
        key=message.key,
        value=message.value,
        headers=[
            *_headers_without(message, ours),
            (ErrorHeader.REASON, error.reason),
            (ErrorHeader.STAGE, error.stage),
            (ErrorHeader.MESSAGE, str(error)),
            (ErrorHeader.ATTEMPTS, str(1 + (order.attempt if order is not None else 0))),
            (ErrorHeader.TOPIC, source_topic),
            (ErrorHeader.PARTITION, partition),
            (ErrorHeader.OFFSET, offset),
            (ErrorHeader.TIME, str(now_ms)),
            (ErrorHeader.GROUP, routes.group),
            *fetched_at,
        ],
    )


def strip_letter(letter: Record, order: Order | None) -> Record | None:
    """The dead letter with its error headers only; None if it was stripped before.

    The value becomes the order id, or empty if there is no order: a replay asks for the same order, or makes a dead
    letter again. `error-left-out` gives the bytes of key and value that were left out.
    """
    errors = {name: value for name, value in letter.headers if name in _ERROR_HEADERS}
    if ErrorHeader.LEFT_OUT in errors:
        return None
    errors[ErrorHeader.LEFT_OUT] = str(letter.size)
    value = b"" if order is None else order.order_id.encode()
    return Record(topic=letter.topic, key=None, value=value, headers=[*errors.items()])


def _headers_without(message: OrderMessage, names: frozenset[str]) -> list[tuple[str, str | bytes | None]]:
    return [(name, value) for name, value in message.headers if name not in names]
