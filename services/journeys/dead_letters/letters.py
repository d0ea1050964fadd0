"""A dead letter: what its headers tell, and whether it was replayed. Pure.

A letter is an order message as it was, with `error-*` headers beside its own (see `worker/disposal`). Which letters
were replayed stands in the commits of the group `<group>.replay`: a watermark and a map, as for orders. Kafka forgets
the commits of a group without members after a while (`offsets.retention.minutes`, 7 days by default), and letters are
kept for longer: where no commit is found, a letter older than that may have been replayed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from journeys.consumer import offset_map
from journeys.consumer.ledger import Ledger
from journeys.errors import OrderError
from journeys.model import Order, OrderMessage, Position

ERROR_HEADERS = frozenset(
    f"error-{name}" for name in ("reason", "stage", "message", "attempts", "topic", "partition", "offset", "time")
)
"""What makes an order message a dead letter."""
REPLAY_COUNT = "replay-count"
"""The header that tells how often an order was replayed."""
UNNAMED = "unnamed"
"""The reason of a record that tells none: it was no worker that put it there."""


class State(StrEnum):
    """Whether a letter was replayed."""

    PENDING = "pending"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"
    """No position is kept, and the letter is so old that Kafka may have forgotten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Which letters of one partition were replayed: all below `watermark`, and `beyond`.

    Where no position is kept, letters before `forgotten_before_ms` may have been replayed or not.
    """

    watermark: int
    beyond: frozenset[int] = frozenset()
    forgotten_before_ms: int | None = None

    @classmethod
    def committed(cls, watermark: int, metadata: str) -> Marks:
        """As a commit tells. Raises UnknownMapError for a map that cannot be read."""
        return cls(watermark=watermark, beyond=offset_map.decode(watermark, metadata))

    def settled(self, replayed: Iterable[int] = ()) -> Marks:
        """The same, with these letters replayed too, and nothing forgotten."""
        return Marks(watermark=self.watermark, beyond=self.beyond.union(replayed))

    def ledger(self, *, limit: int) -> Ledger:
        """A ledger that goes on from here; a commit of it takes at most `limit` characters."""
        metadata = offset_map.encode(self.watermark, self.beyond)
        return Ledger(epoch=0, watermark=self.watermark, metadata=metadata, limit=limit)

    def state(self, offset: int, at_ms: int | None) -> State:
        """Whether the letter at this offset, of this time, was replayed."""
        if offset < self.watermark or offset in self.beyond:
            return State.REPLAYED
        if self.forgotten_before_ms is not None and (at_ms or 0) < self.forgotten_before_ms:
            return State.UNKNOWN
        return State.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is told of one dead letter; its key, value and headers are not held."""

    position: Position
    """In the dead-letter topic."""
    at_ms: int | None
    """When the order was given up, else when the record was written; milliseconds since the epoch, UTC."""
    reason: str
    stage: str | None
    text: str | None
    attempts: int | None
    order: str | None
    """The order id; where the message names none, its key."""
    topic: str | None
    """Where the order message was read."""
    source: str | None
    """`topic/partition/offset` of the order message."""
    origin: str | None
    """The order topic of a message that was read from a retry tier and could not be understood there."""
    replays: int
    """How often this order had been replayed before it became this letter."""
    state: State

    @property
    def age(self) -> tuple[int, int, int]:
        """Sorts letters, the oldest first."""
        return self.at_ms or 0, self.position.partition, self.position.offset


class LetterReader:
    """Reads letters. `read_order` takes an order message and raises RejectedOrderError where it names no order."""

    def __init__(self, read_order: Callable[[OrderMessage], Order]) -> None:
        self._read_order = read_order

    def read(self, message: OrderMessage, marks: Marks) -> Letter:
        """The letter that a record of the dead-letter topic is; never refuses one."""
        topic = _text(message, "error-topic")
        at_ms = message.number("error-time")
        at_ms = message.timestamp_ms if at_ms is None else at_ms
        parts = (topic, _text(message, "error-partition"), _text(message, "error-offset"))
        return Letter(
            position=message.position,
            at_ms=at_ms,
            reason=_text(message, "error-reason") or UNNAMED,
            stage=_text(message, "error-stage"),
            text=_text(message, "error-message"),
            attempts=message.number("error-attempts"),
            order=self._order(message),
            topic=topic,
            source="/".join(part for part in parts if part is not None) if all(parts) else None,
            origin=_origin(message),
            replays=replays(message),
            state=marks.state(message.position.offset, at_ms),
        )

    def _order(self, message: OrderMessage) -> str | None:
        try:
            return self._read_order(message).order_id
        except OrderError:
            return None if message.key is None else message.key.decode(errors="replace")


def replays(message: OrderMessage) -> int:
    """How often an order was replayed, as its header tells; 0 where it tells nothing."""
    return message.number(REPLAY_COUNT) or 0


def _origin(message: OrderMessage) -> str | None:
    edition = _text(message, "edition")
    return edition.rsplit("/", 2)[0] if edition and edition.count("/") == 2 else None


def _text(message: OrderMessage, name: str) -> str | None:
    value = message.header(name)
    return value.decode(errors="replace") if value else None
