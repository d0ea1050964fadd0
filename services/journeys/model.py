"""The frozen values that consumer, fetcher and producer exchange: no I/O, no decisions.

Values made for each order or event are msgspec structs: a frozen dataclass takes five times as long to create.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any
"""A decoded JSON value: dict, list, str, int, Number, bool, None or Unreadable. A Number is a str, too."""


class Unreadable:
    """A JSON value that cannot be decoded, such as `NaN`. It fits no field, and `extra` keeps its text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
        """The value as received; bytes that are not UTF-8 are lone surrogates (`surrogateescape`)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unreadable) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""Kafka record headers, in order; a name may occur more than once."""


TIMES_MS = range(253_402_300_800_000)
"""Milliseconds since the epoch, up to the year 9999: the times that every reader of our records can hold."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a record in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class OrderMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One record of an order topic or a retry tier, before it is decoded."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None
    """The record's timestamp, milliseconds since the epoch, UTC; None if it has none or an invalid one."""

    def header(self, name: str) -> bytes | None:
        """Return the last value of a header, or None."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None

    def number(self, name: str) -> int | None:
        """Return a header as a number if it has 1 to 18 digits, so that it fits a long; else None."""
        text = self.header(name) or b""
        return int(text) if text.isdigit() and len(text) < 19 else None

    def time_ms(self, name: str) -> int | None:
        """Return a header as milliseconds since the epoch, if it is a time up to the year 9999; else None."""
        number = self.number(name)
        return number if number is not None and number in TIMES_MS else None

    @property
    def size(self) -> int:
        """The bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A completed order whose journey is to be published."""

    order_id: str
    account: str
    edition: str
    """`topic/partition/offset` of the original order message: unchanged by aborts and retries."""
    timestamp_ms: int | None
    """When the original order message was written, milliseconds since the epoch, UTC."""
    attempt: int
    """How many retry tiers this order has been through: 0 for a new order."""
    absences: int
    """How many of these attempts found no journey."""
    message: OrderMessage
    revision: int = 0
    """Which re-reading of the order message this is; 0 is the first reading."""
    last_fetched_at_ms: int | None = None
    """No earlier reading of the order has a later `fetched_at`; None before the first retry or replay."""

    def next_fetched_at_ms(self, now_ms: int) -> int:
        """The `fetched_at` of a reading that begins now: later than that of each earlier reading, on any clock."""
        return now_ms if self.last_fetched_at_ms is None else max(now_ms, self.last_fetched_at_ms + 1)


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """A whole journey: every event of one order, in the API's order, as decoded JSON.

    An item of `events` that is not a JSON object keeps its place; the producer rejects it.
    """

    order_id: str
    account: str
    edition: str
    """As in `Order`; the records of a later revision add `#revision`."""
    order_timestamp_ms: int | None
    events: tuple[Json, ...]
    total: int
    """The newest `total` that the API sent."""
    pages: int
    """Pages of the accepted reading."""
    repeated: int
    """Items read more than once with identical content, and published once."""
    shared_ids: int
    """Events with an `event_id` that another event of the journey has, too."""
    consistent: bool
    """False if `total` and the events read disagree, identically in two readings."""
    shop_currency: str | None
    extra: dict[str, Json]
    """Fields of `data` that the API document does not describe, by JSON Pointer."""
    fetched_at_ms: int
    """When the accepted reading began, milliseconds since the epoch, UTC."""
    revision: int = 0
    """Which re-reading of the order message this is; 0 is the first reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommit:
    """The progress of a partition: the next offset to read, and the map of finished orders beyond it."""

    topic: str
    partition: int
    offset: int
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffsets:
    """Offset commits of one consumer group, and the metadata that binds a transaction to this member's generation."""

    offsets: tuple[OffsetCommit, ...]
    metadata: Callable[[], object]
    """Returns the group metadata. Call it inside the transaction: its result is stale after a rebalance."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A Kafka record, ready to be published."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]

    @property
    def size(self) -> int:
        """The bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")
