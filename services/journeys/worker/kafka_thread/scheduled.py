"""Orders that are not due yet: retries before their time, and new orders whose journeys may still grow. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from journeys.consumer.consumer import Partition
from journeys.headers import RetryHeader
from journeys.model import OrderMessage
from journeys.worker.handover import AdmittedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When an order message is due: a retry by its `not-before`, a new order once it is `settle` seconds old.

    `longest` is the longest wait that any of our retries asks for, in seconds: a header that asks for more is not ours.
    """

    retry_topics: frozenset[str]
    longest: float
    settle: float

    def due_ms(self, message: OrderMessage, now_ms: int) -> int | None:
        """Milliseconds since the epoch; None for at once."""
        if message.position.topic in self.retry_topics:
            due = message.number(RetryHeader.NOT_BEFORE)
            return None if due is None else min(due, now_ms + int(self.longest * 1000))
        if not self.settle or message.timestamp_ms is None:
            return None
        # A producer whose clock is ahead must not keep its orders waiting for longer.
        return min(message.timestamp_ms, now_ms) + int(self.settle * 1000)


class ScheduledOrders:
    """Orders by due time, across partitions: one that is due is never stuck behind one that is not.

    `seats` and `size` (bytes) bound how many of one partition wait here; a partition beyond it is to be paused. A
    topic is in about the order of due time, so that what is left in it is due after what is in here; an order that is
    due long before its neighbours is seen while no more than `seats` of them are ahead of it.
    """

    def __init__(self, *, seats: int = 2000, size: int = 2 * 2**20) -> None:
        self._seats = seats
        self._size = size
        self._heap: list[tuple[int, int, Partition, AdmittedOrder]] = []
        self._order = count()
        self._taken: Counter[Partition] = Counter()
        self._bytes: Counter[Partition] = Counter()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> int | None:
        """When the next one is due, milliseconds since the epoch; None where none waits."""
        return self._heap[0][0] if self._heap else None

    def add(self, admitted: AdmittedOrder, due: int) -> None:
        """Let an order wait until `due`."""
        position = admitted.message.position
        partition = (position.topic, position.partition)
        heapq.heappush(self._heap, (due, next(self._order), partition, admitted))
        self._taken[partition] += 1
        self._bytes[partition] += admitted.message.size

    def due(self, now_ms: int, limit: int) -> list[AdmittedOrder]:
        """Take out at most `limit` orders that are due, the longest due first."""
        taken: list[AdmittedOrder] = []
        while self._heap and len(taken) < limit and self._heap[0][0] <= now_ms:
            _, _, partition, admitted = heapq.heappop(self._heap)
            self._taken[partition] -= 1
            self._bytes[partition] -= admitted.message.size
            taken.append(admitted)
        return taken

    def is_full(self, partition: Partition) -> bool:
        """Whether no more of this partition should wait here."""
        return self._taken[partition] >= self._seats or self._bytes[partition] >= self._size

    def forget(self, gone: Callable[[AdmittedOrder], bool]) -> None:
        """Drop the orders of assignments gone by."""
        self._heap = [entry for entry in self._heap if not gone(entry[3])]
        heapq.heapify(self._heap)
        self._taken.clear()
        self._bytes.clear()
        for _, _, partition, admitted in self._heap:
            self._taken[partition] += 1
            self._bytes[partition] += admitted.message.size
