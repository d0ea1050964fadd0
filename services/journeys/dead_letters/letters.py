"""A dead letter: what its headers say, and whether it was replayed. No I/O.

A letter is an order message as it was read, with `error-*` headers beside its own (see `routing`). The commits of the
group `<group>.replay` keep which letters were replayed: a watermark and an offset map, as for orders. Kafka deletes the
commits of a group without members after a while (`offsets.retention.minutes`, 7 days by default), and letters are kept
for longer. So without a commit, the state of a letter older than that is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from journeys.consumer import offset_map
from journeys.consumer.ledger import Committed, Ledger
from journeys.headers import ErrorHeader, ReplayHeader, RetryHeader
from journeys.model import OrderMessage, Position

UNNAMED = "unnamed"
"""The reason of a record without the header `error-reason`: no worker wrote it."""


class State(StrEnum):
    """Whether a letter was replayed."""

    PENDING = "pending"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"
    """No commit is kept, and the letter is so old that Kafka may have deleted one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedOffsets(Committed):
    """Which letters of one partition were replayed: all below `watermark`, and those in `beyond`.

    `forgotten_before_ms` is set if no commit is kept: older letters may have been replayed or not.
    """

    forgotten_before_ms: int | None = None

    def with_replayed(self, offsets: Iterable[int] = ()) -> ReplayedOffsets:
        """The same with these offsets replayed too, and nothing forgotten."""
        return ReplayedOffsets(watermark=self.watermark, beyond=self.beyond.union(offsets))

    def ledger(self, *, limit_chars: int) -> Ledger:
        """A ledger that starts here; the metadata of its commits takes at most `limit_chars`."""
        metadata = offset_map.encode(self.watermark, self.beyond, topic_id=offset_map.NO_ID)
        return Ledger(epoch=0, watermark=self.watermark, metadata=metadata, limit_chars=limit_chars)

    def state(self, offset: int, at_ms: int | None) -> State:
        """Whether the letter at `offset`, given up at `at_ms`, was replayed."""
        if self.covers(offset):
            return State.REPLAYED
        if self.forgotten_before_ms is not None and (at_ms or 0) < self.forgotten_before_ms:
            return State.UNKNOWN
        return State.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The facts about one dead letter, without its key, value and headers."""

    position: Position
    """In the dead-letter topic."""
    at_ms: int | None
    """When the order was given up, else when the record was written; milliseconds since the epoch, UTC."""
    reason: str
    stage: str | None
    text: str | None
    """The error's text."""
    attempts: int | None
    order: str | None
    """The order id; the key if the message names no order."""
    topic: str | None
    """The topic from which the order message was read."""
    group: str | None
    """The consumer group whose worker gave the order up; None if the letter does not say."""
    source: str | None
    """`topic/partition/offset` of the order message."""
    origin: str | None
    """The order topic of a message that was read from a retry tier and could not be understood there."""
    replays: int
    """How often this order had been replayed before it became this letter."""
    state: State

    @property
    def age(self) -> tuple[int, int, int]:
        """Sort key: the oldest letter first."""
        return self.at_ms or 0, self.position.partition, self.position.offset


def read_letter(message: OrderMessage, replayed: ReplayedOffsets, *, order: str | None) -> Letter:
    """The letter in a record of the dead-letter topic. Every record is one, also one that no worker wrote.

    `order` is the order id in the message, or its key if it names no order.
    """
    topic = _text(message, ErrorHeader.TOPIC)
    at_ms = message.number(ErrorHeader.TIME)
    at_ms = message.timestamp_ms if at_ms is None else at_ms
    parts = (topic, _text(message, ErrorHeader.PARTITION), _text(message, ErrorHeader.OFFSET))
    return Letter(
        position=message.position,
        at_ms=at_ms,
        reason=reason_of(message),
        stage=_text(message, ErrorHeader.STAGE),
        text=_text(message, ErrorHeader.MESSAGE),
        attempts=message.number(ErrorHeader.ATTEMPTS),
        order=order,
        topic=topic,
        group=_text(message, ErrorHeader.GROUP),
        source="/".join(part for part in parts if part is not None) if all(parts) else None,
        origin=_origin(message),
        replays=replays(message),
        state=replayed.state(message.position.offset, at_ms),
    )


def reason_of(message: OrderMessage) -> str:
    """The reason in a letter's headers; `unnamed` without one."""
    return _text(message, ErrorHeader.REASON) or UNNAMED


def replays(message: OrderMessage) -> int:
    """How often an order was replayed, by its header; 0 without a header that is a number."""
    return message.number(ReplayHeader.COUNT) or 0


def _origin(message: OrderMessage) -> str | None:
    edition = _text(message, RetryHeader.EDITION)
    return edition.rsplit("/", 2)[0] if edition and edition.count("/") == 2 else None


def _text(message: OrderMessage, name: str) -> str | None:
    value = message.header(name)
    return value.decode(errors="replace") if value else None
