"""Which partitions are ours, and the ledger of each: one per assignment, never carried over to the next.

A partition is opened at the offset that the group committed. Where Kafka does not say yet (its last owner's
transaction is open), it is held: assigned, not read, and asked for again later, so that it never blocks the others.
Belongs to the Kafka thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Literal

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.ledger import Ledger
from journeys.errors import HaltError

Start = Literal["earliest", "latest", "error"]

_BUDGET = 1.0
"""Seconds in all that a rebalance waits for committed offsets."""
_ASK_AGAIN = 0.5


class Assignments:
    """Ledgers by partition and by epoch. An epoch is never used twice in a process."""

    def __init__(self, *, start: Start, map_limit: int, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._start = start
        self._map_limit = map_limit
        self._epochs = count(1)
        self._by_epoch: dict[int, Partition] = {}
        self._held: dict[Partition, float] = {}  # and when to ask for their offset again
        self._seen: set[Partition] = set()  # the group had an offset for them during this process
        self.ledgers: dict[Partition, Ledger] = {}
        self.unannounced: set[Partition] = set()
        """Opened where nothing was committed: their first offset is to be committed, so that a later absence is
        known for what it is."""

    def partition_of(self, epoch: int) -> Partition | None:
        """The partition of a current epoch; None for one gone by."""
        return self._by_epoch.get(epoch)

    def epochs_of(self, partitions: Iterable[Partition]) -> set[int]:
        """The current epochs of these partitions."""
        return {self.ledgers[partition].epoch for partition in partitions if partition in self.ledgers}

    @property
    def unpublished(self) -> int:
        """Orders polled and not published yet, over all partitions."""
        return sum(ledger.unpublished for ledger in tuple(self.ledgers.values()))

    @property
    def held(self) -> int:
        """Partitions whose committed offset Kafka does not say yet."""
        return len(self._held)

    def take_over(self, source: OrderConsumers, partitions: Sequence[Partition]) -> None:
        """Assign these partitions, each where its last owner left it. Raises HaltError."""
        deadline = self._clock.monotonic() + _BUDGET
        offsets: dict[Partition, int] = {}
        held: list[Partition] = []
        for partition in partitions:
            timeout = min(0.3, deadline - self._clock.monotonic())
            if timeout > 0 and self._open(source, partition, timeout):
                offsets[partition] = self.ledgers[partition].next_offset
            else:
                held.append(partition)
        source.start(offsets)
        source.hold(held)
        self._held.update(dict.fromkeys(held, self._clock.monotonic()))

    def ask_again(self, source: OrderConsumers, now: float) -> None:
        """Try to open one held partition: one at a time, so that callbacks are served in between."""
        partition = next((held for held, due in self._held.items() if due <= now), None)
        if partition is None:
            return
        self._held[partition] = now + _ASK_AGAIN
        if not self._open(source, partition, 0.1):
            return
        try:
            source.release(partition, self.ledgers[partition].next_offset)
        except TimeoutError:
            self._close(partition)
        else:
            del self._held[partition]

    def announced(self, partitions: Iterable[Partition]) -> None:
        """The group has an offset for these partitions now."""
        for partition in partitions:
            self._seen.add(partition)
            self.unannounced.discard(partition)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These partitions are somebody else's."""
        for partition in partitions:
            self._held.pop(partition, None)
            self._close(partition)

    def _open(self, source: OrderConsumers, partition: Partition, timeout: float) -> bool:
        try:
            found = source.committed(partition, timeout=timeout)
            offset, metadata = found or (self._first_offset(source, partition), "")
        except TimeoutError:
            return False
        ledger = Ledger(epoch=next(self._epochs), watermark=offset, metadata=metadata, limit=self._map_limit)
        self.ledgers[partition] = ledger
        self._by_epoch[ledger.epoch] = partition
        if found is None:
            self.unannounced.add(partition)
        else:
            self._seen.add(partition)
        return True

    def _first_offset(self, source: OrderConsumers, partition: Partition) -> int:
        topic, number = partition
        if partition in self._seen:
            raise HaltError(
                f"the group's offset of {topic}/{number} is gone; starting over would republish everything."
                " Choose where to go on with kafka-consumer-groups --reset-offsets"
            )
        if self._start == "error":
            raise HaltError(f"the group has no offset for {topic}/{number}, and JOURNEYS_ORDERS__START is error")
        first, end = source.bounds(partition, timeout=1.0)
        return end if self._start == "latest" else first

    def _close(self, partition: Partition) -> None:
        self.unannounced.discard(partition)
        if (ledger := self.ledgers.pop(partition, None)) is not None:
            del self._by_epoch[ledger.epoch]
