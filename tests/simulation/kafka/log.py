"""One partition of a topic: records with offsets, holes where compaction or a marker was, and who may see what."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""


class State(Enum):
    """How far a transaction is."""

    OPEN = 1
    COMMITTING = 2
    """Decided: its markers are on their way."""
    ABORTING = 3
    COMMITTED = 4
    ABORTED = 5


@dataclass(slots=True, eq=False)
class Transaction:
    """Records and offsets that take effect together."""

    number: int
    transactional_id: str
    epoch: int
    state: State = State.OPEN
    entries: list[Entry] = field(default_factory=list)
    logs: dict[Log, int] = field(default_factory=dict)
    """The partitions it wrote to, and its first offset in each."""
    offsets: dict[tuple[str, Place], Committed] = field(default_factory=dict)
    """By (group, place)."""

    @property
    def decided(self) -> bool:
        """Whether nothing can change its outcome."""
        return self.state is not State.OPEN


@dataclass(frozen=True, slots=True)
class Committed:
    """An offset of a group. The one that was written last counts, whichever took effect last."""

    offset: int
    metadata: str
    written: int


@dataclass(slots=True, eq=False)
class Entry:
    """One record."""

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int
    transaction: Transaction | None


class Log:
    """A partition. `end` is the next offset, `start` the first that is kept."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.start = 0
        self.end = 0
        self.entries: list[Entry] = []
        self._open: dict[Transaction, int] = {}

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes | None]],
        timestamp_ms: int,
        transaction: Transaction | None = None,
    ) -> Entry:
        """Write a record."""
        entry = Entry(self.place, self.end, key, value, headers, timestamp_ms, transaction)
        self.entries.append(entry)
        if transaction is not None and transaction not in self._open:
            self._open[transaction] = self.end
            transaction.logs[self] = self.end
        self.end += 1
        return entry

    def skip(self, offsets: int) -> None:
        """Leave a hole, as compaction does."""
        self.end += offsets

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction."""
        del self._open[transaction]
        self.end += 1

    @property
    def stable_end(self) -> int:
        """The last stable offset: read_committed reads up to the first record of the oldest open transaction."""
        return min(self._open.values(), default=self.end)

    def read(self, position: int, limit: int) -> list[Entry]:
        """At most `limit` records from `position` on, as read_committed sees them."""
        found: list[Entry] = []
        end = self.stable_end
        for index in range(bisect_left(self.entries, position, key=_offset), len(self.entries)):
            entry = self.entries[index]
            if entry.offset >= end or len(found) >= limit:
                break
            if entry.transaction is None or entry.transaction.state is State.COMMITTED:
                found.append(entry)
        return found


def _offset(entry: Entry) -> int:
    return entry.offset
