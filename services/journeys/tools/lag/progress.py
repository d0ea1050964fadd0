"""How far a group is in one partition: the commit, the ends, and the orders that are not published. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from journeys.consumer.ledger import Committed


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order that is not published."""

    offset: int
    order: str | None
    """The order id; the key if the message names no order."""
    at_ms: int | None
    """When the message was written, milliseconds since the epoch."""
    due_ms: int | None
    """When it may be fetched; None for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One partition at one moment."""

    topic: str
    partition: int
    commit: Committed | None
    """None if the group has committed nothing."""
    bounds: range
    """The offsets of the partition."""
    counted: int | None = None
    """The orders that are not published, if all of them were read; None if they are too many."""
    oldest: OpenOrder | None = None
    """The first of them."""

    @property
    def open_offsets(self) -> range:
        """The offsets at which orders may not be published."""
        start = self.bounds.start if self.commit is None else max(self.commit.watermark, self.bounds.start)
        return range(start, max(start, self.bounds.stop))

    @property
    def beyond(self) -> int:
        """The published orders beyond the watermark."""
        return 0 if self.commit is None else len(self.commit.beyond)

    @property
    def orders(self) -> int:
        """The orders that are not published; at most that many if they were not counted.

        A transaction's marker takes an offset, too.
        """
        return max(0, len(self.open_offsets) - self.beyond) if self.counted is None else self.counted

    @property
    def published(self) -> int:
        """A number that grows by one for each order that is published."""
        return (self.bounds.start if self.commit is None else self.commit.watermark) + self.beyond

    @property
    def problem(self) -> str | None:
        """Why the workers cannot go on in this partition; None if they can."""
        if self.commit is None:
            return None
        if self.commit.watermark < self.bounds.start:
            lost = self.bounds.start - self.commit.watermark
            return f"retention removed {lost:,} offsets that were not published"
        if self.commit.watermark > self.bounds.stop:
            return "the group's offset is beyond the end: was the topic created again?"
        return None
