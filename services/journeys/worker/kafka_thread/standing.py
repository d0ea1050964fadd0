"""How far a partition is: its orders that are due, those that wait, and the age of the oldest. Sans-I/O.

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

    due: int
    """Orders that are not published, and due. The gate may be shut."""
    waiting: int
    """Orders that are not due yet."""
    lag_s: float | None
    """Seconds since the oldest unpublished order was written; 0 for none, None if its time is not known."""
    map_bytes: int
    """The size of the offset map in the last commit."""
    map_gaps: int
    """Offsets below a published one that are not published."""


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
            waiting = self.scheduled.of(partition) - overdue.get(partition, 0)
            due = ledger.unpublished - waiting
            newest_waits = self._newest_waits(partition, ledger, now_ms=now_ms)
            found[partition] = Standing(
                due=due if newest_waits else due + unread,
                waiting=waiting + unread if newest_waits else waiting,
                lag_s=self._lag_s(partition, ledger, is_unread=unread > 0 and partition in paused, now_ms=now_ms),
                map_bytes=ledger.map_bytes,
                map_gaps=ledger.gaps,
            )
        return found

    def _newest_waits(self, partition: Partition, ledger: Ledger, *, now_ms: int) -> bool:
        due_ms = self.scheduled.due_ms(partition, ledger.next_offset - 1)
        return due_ms is not None and due_ms > now_ms

    def _lag_s(self, partition: Partition, ledger: Ledger, *, is_unread: bool, now_ms: int) -> float | None:
        if not ledger.unpublished:
            return None if is_unread else 0.0
        oldest = ledger.watermark
        message = self.ages.message(partition, oldest) or self.scheduled.message(partition, oldest)
        if message is None or message.timestamp_ms is None:
            return None
        return max(0, now_ms - message.timestamp_ms) / 1000
