"""How far a partition is: its orders by what they wait for, and the age of the oldest one. Sans-I/O.

The worker reads an order topic ahead until 2,000 orders wait. Orders behind them are not read yet. They are younger, so
they wait as well if the newest order that was read waits. The offsets of a retry tier that are not read do not count,
because most of them are transaction markers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Ledger
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.scheduled import ScheduledOrders


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One partition at one moment."""

    watermark: int
    published_beyond: int
    """Orders beyond the watermark that are published."""
    in_hand: int
    """Orders that were read, and are due."""
    scheduled: int
    """Orders that were read, and are not due yet."""
    unread: int
    """Orders that were not read yet; 0 in a retry tier."""
    is_unread_due: bool
    """Whether those are due."""
    lag_s: float | None
    """Seconds since the oldest unpublished order was written; 0 for none, None if its time is not known."""
    map_bytes: int
    """The size of the offset map in the last commit."""
    map_gaps: int
    """Offsets below a published one that are not published."""

    @property
    def due(self) -> int:
        """Orders that are not published, and due. The gate may be shut."""
        return self.in_hand + (self.unread if self.is_unread_due else 0)

    @property
    def waiting(self) -> int:
        """Orders that are not due yet."""
        return self.scheduled + (0 if self.is_unread_due else self.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyor:
    """Looks at the partitions that are assigned; belongs to the Kafka thread."""

    scheduled: ScheduledOrders
    ages: Ages
    retry_topics: frozenset[str]

    def standings(
        self,
        ledgers: Mapping[Partition, Ledger],
        lag: Mapping[Partition, int],
        *,
        paused: Collection[Partition],
        now_ms: int,
    ) -> dict[Partition, Standing]:
        """The standing of each partition. `lag` counts its offsets from the watermark to the end, if that is known.

        `paused` are the partitions that are not read for now.
        """
        overdue = self.scheduled.overdue(now_ms)
        found = {}
        for partition, ledger in ledgers.items():
            is_retry = partition[0] in self.retry_topics
            unread = 0 if is_retry else ledger.unread(ledger.watermark + lag.get(partition, 0))
            scheduled = self.scheduled.of(partition) - overdue.get(partition, 0)
            found[partition] = Standing(
                watermark=ledger.watermark,
                published_beyond=ledger.published_beyond,
                in_hand=ledger.unpublished - scheduled,
                scheduled=scheduled,
                unread=unread,
                is_unread_due=self._is_newest_due(partition, ledger, now_ms=now_ms),
                lag_s=self._lag_s(partition, ledger, is_unread=unread > 0 and partition in paused, now_ms=now_ms),
                map_bytes=ledger.map_bytes,
                map_gaps=ledger.gaps,
            )
        return found

    def _is_newest_due(self, partition: Partition, ledger: Ledger, *, now_ms: int) -> bool:
        due_ms = self.scheduled.due_ms(partition, ledger.next_offset - 1)
        return due_ms is None or due_ms <= now_ms

    def _lag_s(self, partition: Partition, ledger: Ledger, *, is_unread: bool, now_ms: int) -> float | None:
        if not ledger.unpublished:
            return None if is_unread else 0.0
        oldest = ledger.watermark
        message = self.ages.message(partition, oldest) or self.scheduled.message(partition, oldest)
        if message is None or message.timestamp_ms is None:
            return None
        return max(0, now_ms - message.timestamp_ms) / 1000
