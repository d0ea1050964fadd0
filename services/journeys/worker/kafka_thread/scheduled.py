"""Orders that are not due yet: retries before their time, and new orders whose journeys may still grow. Sans-I/O."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from journeys.consumer.consumer import Partition
from journeys.headers import RetryHeader
from journeys.model import OrderMessage
from journeys.worker.handover import AdmittedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When an order message is due: a retry by its `not-before`, a new order once it is `settle_s` seconds old.

    `longest_s` is the longest wait of any retry, in seconds. A header that asks for more was not written by a worker.
    """

    retry_topics: frozenset[str]
    longest_s: float
    settle_s: float

    def due_ms(self, message: OrderMessage, now_ms: int) -> int | None:
        """Milliseconds since the epoch; None for at once."""
        if message.position.topic in self.retry_topics:
            due = message.number(RetryHeader.NOT_BEFORE)
            return None if due is None else min(due, now_ms + int(self.longest_s * 1000))
        if not self.settle_s or message.timestamp_ms is None:
            return None
        # A producer whose clock is ahead must not keep its orders waiting for longer.
        return min(message.timestamp_ms, now_ms) + int(self.settle_s * 1000)


class ScheduledOrders:
    """Orders by due time, across partitions: an order that is due is never stuck behind one that is not.

    `max_orders` and `max_bytes` bound the orders of one partition that wait here; the loop pauses a partition that is
    full. Retry topics are roughly sorted by due time, so records not read yet are usually due later. A record that is
    due much earlier is found only within the next `max_orders` records.
    """

    def __init__(self, *, max_orders: int = 2000, max_bytes: int = 2 * 2**20) -> None:
        self._max_orders = max_orders
        self._max_bytes = max_bytes
        self._heap: list[tuple[int, int, Partition, AdmittedOrder]] = []
        self._order = count()
        self._waiting: dict[Partition, dict[int, tuple[int, OrderMessage]]] = {}  # by offset, with the due time
        self._bytes: Counter[Partition] = Counter()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> int | None:
        """When the next order is due, in milliseconds since the epoch; None for no order."""
        return self._heap[0][0] if self._heap else None

    def of(self, partition: Partition) -> int:
        """How many orders of this partition wait here."""
        return len(self._waiting.get(partition, ()))

    def message(self, partition: Partition, offset: int) -> OrderMessage | None:
        """The message of a waiting order; None if the order at this offset does not wait here."""
        found = self._waiting.get(partition, {}).get(offset)
        return None if found is None else found[1]

    def due_ms(self, partition: Partition, offset: int) -> int | None:
        """When a waiting order is due, in milliseconds since the epoch; None as for `message`."""
        found = self._waiting.get(partition, {}).get(offset)
        return None if found is None else found[0]

    def overdue(self, now_ms: int) -> Mapping[Partition, int]:
        """How many orders of each partition are due, and wait for room or for the gate."""
        if self.next_due is None or self.next_due > now_ms:
            return {}
        return Counter(partition for due_ms, _, partition, _ in self._heap if due_ms <= now_ms)

    def add(self, admitted: AdmittedOrder, due_ms: int) -> None:
        """Let an order wait until `due_ms`, in milliseconds since the epoch."""
        position = admitted.message.position
        partition = (position.topic, position.partition)
        heapq.heappush(self._heap, (due_ms, next(self._order), partition, admitted))
        self._keep(partition, admitted, due_ms)

    def due(self, now_ms: int, limit: int) -> list[AdmittedOrder]:
        """Remove and return at most `limit` orders that are due, the earliest due time first."""
        taken: list[AdmittedOrder] = []
        while self._heap and len(taken) < limit and self._heap[0][0] <= now_ms:
            _, _, partition, admitted = heapq.heappop(self._heap)
            del self._waiting[partition][admitted.message.position.offset]
            self._bytes[partition] -= admitted.message.size
            taken.append(admitted)
        return taken

    def is_full(self, partition: Partition) -> bool:
        """Whether no more orders of this partition may wait here."""
        return self.of(partition) >= self._max_orders or self._bytes[partition] >= self._max_bytes

    def forget(self, gone: Callable[[AdmittedOrder], bool]) -> None:
        """Drop the orders for which `gone` is true: their assignments have ended."""
        self._heap = [entry for entry in self._heap if not gone(entry[3])]
        heapq.heapify(self._heap)
        self._waiting.clear()
        self._bytes.clear()
        for due_ms, _, partition, admitted in self._heap:
            self._keep(partition, admitted, due_ms)

    def _keep(self, partition: Partition, admitted: AdmittedOrder, due_ms: int) -> None:
        self._waiting.setdefault(partition, {})[admitted.message.position.offset] = (due_ms, admitted.message)
        self._bytes[partition] += admitted.message.size
