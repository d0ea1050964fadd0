"""Orders that are not due yet: a retry whose `not-before` lies ahead. Pure; time comes in as an argument."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import count

from journeys.consumer.source import Partition
from journeys.model import OrderMessage
from journeys.worker.desk import Admitted


def due_ms(message: OrderMessage) -> int | None:
    """When a retry is due, milliseconds since the epoch; None for a header that is absent or no number."""
    value = message.header("not-before") or b""
    return int(value) if value.isdigit() else None


class WaitingRoom:
    """Orders by due time, across partitions: one that is due is never stuck behind one that is not.

    `seats` and `size` (bytes) bound how many of one partition wait here; a partition beyond it is to be paused. A
    tier is in about the order of due time, so that those left in the topic are due after those in here.
    """

    def __init__(self, *, seats: int = 200, size: int = 2**20) -> None:
        self._seats = seats
        self._size = size
        self._heap: list[tuple[int, int, Partition, Admitted]] = []
        self._order = count()
        self._taken: Counter[Partition] = Counter()
        self._bytes: Counter[Partition] = Counter()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, admitted: Admitted, due: int) -> None:
        """Let an order wait until `due`."""
        position = admitted.message.position
        partition = (position.topic, position.partition)
        heapq.heappush(self._heap, (due, next(self._order), partition, admitted))
        self._taken[partition] += 1
        self._bytes[partition] += admitted.message.size

    def due(self, now_ms: int, limit: int) -> list[Admitted]:
        """Take out at most `limit` orders that are due, the longest due first."""
        taken: list[Admitted] = []
        while self._heap and len(taken) < limit and self._heap[0][0] <= now_ms:
            _, _, partition, admitted = heapq.heappop(self._heap)
            self._taken[partition] -= 1
            self._bytes[partition] -= admitted.message.size
            taken.append(admitted)
        return taken

    def is_full(self, partition: Partition) -> bool:
        """Whether no more of this partition should wait here."""
        return self._taken[partition] >= self._seats or self._bytes[partition] >= self._size

    def forget(self, gone: Callable[[Admitted], bool]) -> None:
        """Drop the orders of assignments gone by."""
        self._heap = [entry for entry in self._heap if not gone(entry[3])]
        heapq.heapify(self._heap)
        self._taken.clear()
        self._bytes.clear()
        for _, _, partition, admitted in self._heap:
            self._taken[partition] += 1
            self._bytes[partition] += admitted.message.size
