"""Finished orders on their way into a transaction, and the bytes of all that is in hand. Pure.

What is here stays until a commit that covers it took effect: after an abort the same records go out again, never
fetched twice. Bytes are counted by epoch, so that a partition that goes takes its own along.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Commit, Ledger
from journeys.worker.handover import AdmittedOrder, Backlog, FinishedOrder


class PendingResults:
    """`max_records` bounds the records of one transaction, unless a single journey has more.

    The bytes of the records that are here are kept in `backlog`.
    """

    def __init__(self, backlog: Backlog, *, max_records: int) -> None:
        self._backlog = backlog
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
        """When the first of these orders was finished, by the monotonic clock."""
        return self._finished[0].at if self._finished else None

    @property
    def partitions(self) -> set[Partition]:
        """Where these orders were read."""
        return {partition_of(finished) for finished in self._finished}

    def offsets(self, partition: Partition) -> list[int]:
        """The offsets of these orders in one partition."""
        return [each.message.position.offset for each in self._finished if partition_of(each) == partition]

    def admitted(self, order: AdmittedOrder) -> None:
        """An order is in hand."""
        self._bytes[order.epoch] += order.message.size

    def add(self, finished: FinishedOrder) -> None:
        """It is finished."""
        self._finished.append(finished)
        self._bytes[finished.epoch] += finished.size
        self._backlog.pending_bytes += finished.size

    def replace(self, finished: FinishedOrder, by: FinishedOrder) -> None:
        """It is to be published as something else."""
        self._finished[self._finished.index(finished)] = by
        self._bytes[finished.epoch] += by.size - finished.size
        self._backlog.pending_bytes += by.size - finished.size

    def plan(
        self, ledgers: Mapping[Partition, Ledger], partitions: Collection[Partition]
    ) -> tuple[dict[Partition, Commit], list[FinishedOrder]]:
        """The next transaction: the commit of each of these partitions that has results, and what goes with them.

        Results that are not covered, as their map would not fit or the records would be too many, are left for the
        one after it.
        """
        mine = [finished for finished in self._finished if partition_of(finished) in partitions]
        commits = _commits(ledgers, mine)
        ready = [finished for finished in mine if _is_covered(finished, commits)]
        fitting = ready[: self._fitting(ready)]
        if len(fitting) < len(ready):
            commits = _commits(ledgers, fitting) or commits
        return commits, [finished for finished in ready if _is_covered(finished, commits)]

    def settle(self, commits: Mapping[Partition, Commit]) -> list[FinishedOrder]:
        """These commits took effect; what they cover is done, and returned."""
        done: list[FinishedOrder] = []
        kept: list[FinishedOrder] = []
        for finished in self._finished:
            (done if _is_covered(finished, commits) else kept).append(finished)
        self._finished = kept
        for finished in done:
            self._bytes[finished.epoch] -= finished.message.size + finished.size
            self._backlog.pending_bytes -= finished.size
        return done

    def forget(self, is_gone: Callable[[int], bool]) -> None:
        """Drop what belongs to epochs gone by."""
        self._finished = [finished for finished in self._finished if not is_gone(finished.epoch)]
        self._backlog.pending_bytes = sum(finished.size for finished in self._finished)
        for epoch in [epoch for epoch in self._bytes if is_gone(epoch)]:
            del self._bytes[epoch]

    def _fitting(self, ready: Sequence[FinishedOrder]) -> int:
        """How many of these make one transaction: at least one."""
        records = 0
        for index, finished in enumerate(ready):
            records += len(finished.records)
            if index and records > self._max_records:
                return index
        return len(ready)


def partition_of(finished: FinishedOrder) -> Partition:
    """Where an order was read."""
    position = finished.message.position
    return position.topic, position.partition


def _commits(ledgers: Mapping[Partition, Ledger], results: Iterable[FinishedOrder]) -> dict[Partition, Commit]:
    offsets: dict[Partition, list[int]] = defaultdict(list)
    for finished in results:
        offsets[partition_of(finished)].append(finished.message.position.offset)
    commits = {partition: ledgers[partition].commit(results) for partition, results in offsets.items()}
    return {partition: commit for partition, commit in commits.items() if commit.covers}


def _is_covered(finished: FinishedOrder, commits: Mapping[Partition, Commit]) -> bool:
    commit = commits.get(partition_of(finished))
    return commit is not None and finished.message.position.offset in commit.covers
