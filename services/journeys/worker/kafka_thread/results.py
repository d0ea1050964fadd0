"""Finished orders until a committed transaction has published them, and the bytes of all orders in hand. Sans-I/O.

An order stays here until a commit that covers it took effect. After an abort the same records are sent again; the order
is never fetched twice. Bytes are counted by epoch, so that a partition takes its own along when it goes.
"""

from __future__ import annotations

import contextlib
import queue
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Commit
from journeys.worker.handover import AdmittedOrder, Backlog, FinishedOrder
from journeys.worker.kafka_thread.assignments import Assignments


class PendingResults:
    """Belongs to the Kafka thread. It takes finished orders from `backlog`, and keeps their bytes there.

    `max_records` bounds the records of one transaction; a single journey may have more.
    """

    def __init__(self, backlog: Backlog, assignments: Assignments, *, max_records: int) -> None:
        self.backlog = backlog
        self._assignments = assignments
        self._max_records = max_records
        self._finished: list[FinishedOrder] = []
        self._bytes: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._finished)

    @property
    def bytes(self) -> int:
        """Bytes of the orders admitted and not published, and of the records that are here."""
        return self._bytes.total()

    @property
    def oldest_at(self) -> float | None:
        """When the first of these orders was finished, in seconds of the monotonic clock; None for no order."""
        return self._finished[0].at if self._finished else None

    @property
    def partitions(self) -> set[Partition]:
        """The partitions that these orders were read from."""
        return {partition_of(finished) for finished in self._finished}

    def offsets(self, partition: Partition) -> list[int]:
        """The offsets of these orders in one partition."""
        return [each.message.position.offset for each in self._finished if partition_of(each) == partition]

    def admitted(self, order: AdmittedOrder) -> None:
        """Count the bytes of an order that was admitted."""
        self._bytes[order.epoch] += order.message.size

    def collect(self) -> None:
        """Take all finished orders from the backlog's queue. Never blocks."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.add(self.backlog.results.get_nowait())

    def add(self, finished: FinishedOrder) -> None:
        """Take a finished order; a late one, of an assignment that has ended, is dropped."""
        partition = self._assignments.partition_of(finished.epoch)
        if partition is None:
            return
        self._assignments.ledgers[partition].finish(finished.message.position.offset)
        self._finished.append(finished)
        self._count(finished.epoch, finished.size)

    def replace(self, finished: FinishedOrder, by: FinishedOrder) -> None:
        """Publish `by` instead of a finished order that is here."""
        self._finished[self._finished.index(finished)] = by
        self._count(finished.epoch, by.size - finished.size)

    def plan(self, partitions: Collection[Partition]) -> tuple[dict[Partition, Commit], list[FinishedOrder]]:
        """The next transaction: the commit of each of these partitions that has results, and the orders it covers.

        Orders stay for a later transaction if the map of their partition or the records of the transaction would be
        too large with them.
        """
        mine = [finished for finished in self._finished if partition_of(finished) in partitions]
        commits = self._commits(mine)
        ready = [finished for finished in mine if _is_covered(finished, commits)]
        fitting = ready[: self._fitting(ready)]
        if len(fitting) < len(ready):
            commits = self._commits(fitting) or commits
        return commits, [finished for finished in ready if _is_covered(finished, commits)]

    def settle(self, commits: Mapping[Partition, Commit]) -> list[FinishedOrder]:
        """Remove the orders that these commits cover, since they took effect, and return them."""
        done: list[FinishedOrder] = []
        kept: list[FinishedOrder] = []
        for finished in self._finished:
            (done if _is_covered(finished, commits) else kept).append(finished)
        self._finished = kept
        for finished in done:
            self._count(finished.epoch, -finished.size)
            self._bytes[finished.epoch] -= finished.message.size
        return done

    def forget(self) -> None:
        """Drop the orders and the bytes of assignments that have ended."""
        self._finished = [finished for finished in self._finished if self._is_current(finished.epoch)]
        self.backlog.pending_bytes = sum(finished.size for finished in self._finished)
        self.backlog.is_blocked = self.backlog.is_blocked and len(self._finished) > 0
        for epoch in [epoch for epoch in self._bytes if not self._is_current(epoch)]:
            del self._bytes[epoch]

    def _is_current(self, epoch: int) -> bool:
        return self._assignments.partition_of(epoch) is not None

    def _count(self, epoch: int, size_bytes: int) -> None:
        self._bytes[epoch] += size_bytes
        self.backlog.pending_bytes += size_bytes

    def _commits(self, results: Iterable[FinishedOrder]) -> dict[Partition, Commit]:
        offsets: dict[Partition, list[int]] = defaultdict(list)
        for finished in results:
            offsets[partition_of(finished)].append(finished.message.position.offset)
        ledgers = self._assignments.ledgers
        commits = {partition: ledgers[partition].commit(results) for partition, results in offsets.items()}
        return {partition: commit for partition, commit in commits.items() if commit.covers}

    def _fitting(self, ready: Sequence[FinishedOrder]) -> int:
        """How many of these make one transaction: at least one."""
        records = 0
        for index, finished in enumerate(ready):
            records += len(finished.records)
            if index and records > self._max_records:
                return index
        return len(ready)


def partition_of(finished: FinishedOrder) -> Partition:
    """The partition that an order was read from."""
    position = finished.message.position
    return position.topic, position.partition


def _is_covered(finished: FinishedOrder, commits: Mapping[Partition, Commit]) -> bool:
    commit = commits.get(partition_of(finished))
    return commit is not None and finished.message.position.offset in commit.covers
