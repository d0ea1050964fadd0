"""The frozen values that consumer, fetcher and producer exchange: no I/O, no decisions.

What is made for each order or event is a struct: a frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any
"""What a JSON decoder returns: dict, list, str, int, float, bool or None."""

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""Kafka record headers, in order; a name may occur more than once."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class OrderMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One record of an order topic or a retry tier, as it was read: nothing is decoded yet."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None
    """The record's timestamp, milliseconds since the epoch, UTC; None where it has none that is a date."""

    def header(self, name: str) -> bytes | None:
        """The last value of a header, or None."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    def number(self, name: str) -> int | None:
        """A header that is a natural number of 18 digits at most, so one that a long holds; None for any other."""
        text = self.header(name) or b""
        return int(text) if text.isdigit() and len(text) < 19 else None

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A completed order whose journey is owed."""

    order_id: str
    account: str
    edition: str
    """`topic/partition/offset` of the original order message: unchanged by aborts and retries."""
    timestamp_ms: int | None
    """When the original order message was written, milliseconds since the epoch, UTC."""
    attempt: int
    """How often this order has been through a retry tier: 0 on its first way through."""
    absences: int
    """How many of these attempts found no journey."""
    message: OrderMessage


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """A whole journey: every event of one order, in the API's order, as decoded JSON.

    An item of `events` that is no JSON object is kept in its place; the producer rejects it.
    """

    order_id: str
    account: str
    edition: str
    order_timestamp_ms: int | None
    events: tuple[Json, ...]
    total: int
    """The newest `total` that the API named."""
    pages: int
    """How many pages the accepted reading took."""
    repeated: int
    """Items read more than once with identical content, and published once."""
    shared_ids: int
    """Events with an `event_id` that another event of the journey has, too."""
    consistent: bool
    """False where `total` and the events read disagree, and did so identically when read again."""
    shop_currency: str | None
    extra: dict[str, Json]
    """Fields of `data` that the API document does not name, by JSON Pointer."""
    fetched_at_ms: int
    """When the accepted reading began, milliseconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommit:
    """How far a partition is done: the next offset to read, and the map of what is done beyond it."""

    topic: str
    partition: int
    offset: int
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOffsets:
    """Commits of one consumer group, and what ties a transaction to this member's generation in it."""

    offsets: tuple[OffsetCommit, ...]
    metadata: Callable[[], object]
    """To be called inside the transaction: what it gives is stale after a rebalance."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record ready to be published."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")
