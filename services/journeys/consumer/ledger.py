"""The offset ledger: the state of every offset polled from one partition during one assignment. Sans-I/O.

    polled ──► in flight ──► finished ──► published

Orders finish out of order. A commit carries the watermark, below which everything is published, and a map of the
offsets published beyond it (`offset_map`), so that the next owner skips them. The ledger records only offsets that were
polled: compaction and transaction markers leave holes, which need no work. A hole at the end of a partition counts as
read once the consumer reports the end. Else retention would delete a marker that the group's offset stands at, and the
offset would be out of range (confluentinc/librdkafka #3171).

A ledger ends with its assignment. Its `epoch` distinguishes a late result of an ended assignment from a valid one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Self

from journeys.consumer import offset_map


class _State(Enum):
    IN_FLIGHT = 1
    FINISHED = 2
    PUBLISHED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit for a partition, and the finished offsets that it covers."""

    watermark: int
    metadata: str
    covers: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A commit read back from Kafka: the orders below `watermark` and those in `beyond` are published."""

    watermark: int
    beyond: frozenset[int] = frozenset()

    @classmethod
    def of(cls, watermark: int, metadata: str | None) -> Self:
        """Read an offset and its metadata. Raises UnknownMapError for a map that cannot be read."""
        return cls(watermark=watermark, beyond=offset_map.decode(watermark, metadata))

    def covers(self, offset: int) -> bool:
        """Whether the order at this offset is published, or has become a retry or a dead letter."""
        return offset < self.watermark or offset in self.beyond


class Ledger:
    """One partition during one assignment. `limit_chars` bounds the metadata of its commits.

    `watermark` and `metadata` are the group's last commit. `topic_id` is stamped into each new one. Raises
    UnknownMapError for unreadable metadata.
    """

    def __init__(
        self, *, epoch: int, watermark: int, metadata: str | None, limit_chars: int, topic_id: str = offset_map.NO_ID
    ) -> None:
        self.epoch = epoch
        self._topic_id = topic_id
        self._limit_chars = limit_chars
        self._next = watermark  # the first offset that was not polled yet
        # Ascending, since a partition is polled in order: the first entry is the oldest unpublished one.
        self._offsets: dict[int, _State] = {}
        # Offsets published beyond the watermark. Those at or beyond `_next` are inherited from an earlier owner.
        self._beyond = set(offset_map.decode(watermark, metadata))
        self._horizon = max(self._beyond, default=watermark - 1) + 1
        self._unpublished = 0
        self.map_bytes = len(metadata or "")
        """The size of the last commit's metadata, which is ASCII."""

    @property
    def watermark(self) -> int:
        """The offset to commit: every order below it is published."""
        return next(iter(self._offsets), self._next)

    @property
    def next_offset(self) -> int:
        """The first offset that was not polled yet."""
        return self._next

    @property
    def unpublished(self) -> int:
        """Orders polled and not published yet."""
        return self._unpublished

    @property
    def gaps(self) -> int:
        """Offsets below a published one, and at or beyond the watermark, that are not published."""
        return max(self._beyond) + 1 - self.watermark - len(self._beyond) if self._beyond else 0

    def unread(self, end: int) -> int:
        """How many offsets below `end` were not polled, without those that an earlier owner has published."""
        inherited = sum(offset >= self._next for offset in self._beyond) if self._horizon > self._next else 0
        return max(0, end - self._next - inherited)

    @property
    def published_beyond(self) -> int:
        """Orders beyond the watermark that are published."""
        return len(self._beyond)

    def polled(self, offset: int) -> bool:
        """Record a polled offset. Returns False if it needs no work, because it was published or polled before."""
        if offset < self._next:
            return False
        self._next = offset + 1
        if offset not in self._beyond:
            self._offsets[offset] = _State.IN_FLIGHT
            self._unpublished += 1
            return True
        if self._offsets:
            self._offsets[offset] = _State.PUBLISHED
        else:  # the watermark passes it
            self._beyond.discard(offset)
        return False

    def reached(self, end: int) -> bool:
        """Record that nothing below `end` is left to poll. Returns whether this moves the watermark."""
        if end <= self._next:
            return False
        self._next = end
        if self._offsets:
            return False
        self._beyond = {offset for offset in self._beyond if offset >= end}
        return True

    def has_room(self) -> bool:
        """Whether one more offset can be polled without the map ever exceeding the limit.

        With nothing in hand there always is room: the next order can only shrink the map. A map inherited from the
        previous owner may already exceed the limit, because offsets can have gaps.
        """
        if not self._unpublished:
            return True
        span = max(self._next + 1, self._horizon) - self.watermark
        return offset_map.worst_size(span, self._unpublished + len(self._beyond) + 1) <= self._limit_chars

    def finish(self, offset: int) -> None:
        """Record that an order is finished. Raises KeyError for an offset that is not in flight."""
        if self._offsets.get(offset) is not _State.IN_FLIGHT:
            raise KeyError(offset)
        self._offsets[offset] = _State.FINISHED

    def commit(self, results: Collection[int]) -> Commit:
        """The commit for publishing `results`, which are finished offsets.

        If the map would not fit, results beyond the new watermark wait for a later commit: the map is never cut.
        `covers` holds the results that are in. Raises KeyError for an unfinished offset.
        """
        for offset in results:
            if self._offsets.get(offset) is not _State.FINISHED:
                raise KeyError(offset)
        whole = self._commit(results)
        if len(whole.metadata) <= self._limit_chars:
            return whole
        return self._commit([offset for offset in results if offset < whole.watermark])

    def published(self, commit: Commit) -> None:
        """Record that `commit` took effect: the offsets that it covers are published."""
        self.map_bytes = len(commit.metadata)
        for offset in commit.covers:
            self._offsets[offset] = _State.PUBLISHED
        self._unpublished -= len(commit.covers)
        self._beyond.update(commit.covers)
        while self._offsets and (first := next(iter(self._offsets))) in self._beyond:
            del self._offsets[first]
        watermark = self.watermark
        self._beyond = {offset for offset in self._beyond if offset >= watermark}

    def _commit(self, results: Collection[int]) -> Commit:
        done = self._beyond.union(results)
        watermark = next((offset for offset in self._offsets if offset not in done), self._next)
        beyond = [offset for offset in done if offset >= watermark]
        return Commit(
            watermark=watermark,
            metadata=offset_map.encode(watermark, beyond, topic_id=self._topic_id),
            covers=frozenset(results),
        )
