"""The partitions assigned to this worker, and the ledger of each: one per assignment, never carried over to the next.

A partition is opened at the offset that the group committed. While the transaction of its last owner is open, Kafka
does not tell that offset. Such a partition is held: assigned, not read, and asked for again later. So it never blocks
the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.ledger import Ledger
from journeys.errors import HaltError
from journeys.worker.kafka_thread.topic_watch import TopicWatch

_BUDGET_S = 1.0
"""The longest time that a rebalance waits for committed offsets, in all."""
_ASK_AGAIN_S = 0.5
"""The time between two questions for the offset of a held partition."""


class Assignments:
    """Ledgers by partition and by epoch; belongs to the Kafka thread. An epoch is never used twice in a process.

    A partition without a committed offset starts at its beginning. `map_limit` bounds a commit's map, in characters.
    """

    def __init__(self, consumers: OrderConsumers, topics: TopicWatch, *, map_limit: int, clock: Clock) -> None:
        self._consumers = consumers
        self._topics = topics
        self._clock = clock
        self._map_limit = map_limit
        self._epochs = count(1)
        self._by_epoch: dict[int, Partition] = {}
        self._held: dict[Partition, float] = {}  # with the time of the next question for the offset
        self._held_since: dict[Partition, float] = {}
        self._seen: set[Partition] = set()  # the group had an offset for them during this process
        self.ledgers: dict[Partition, Ledger] = {}
        self.unannounced: set[Partition] = set()
        """Partitions with an offset that the group does not know, though no order is finished: it is committed soon.

        It is the first one, or one beyond transaction markers. If an offset is missing after that, it was lost.
        """

    def partition_of(self, epoch: int) -> Partition | None:
        """The partition of a current epoch; None if the assignment has ended."""
        return self._by_epoch.get(epoch)

    def epochs_of(self, partitions: Iterable[Partition]) -> set[int]:
        """The current epochs of these partitions."""
        return {self.ledgers[partition].epoch for partition in partitions if partition in self.ledgers}

    @property
    def unpublished(self) -> int:
        """Orders polled and not published yet, over all partitions."""
        return sum(ledger.unpublished for ledger in tuple(self.ledgers.values()))

    def held_longer_than(self, seconds: float) -> list[Partition]:
        """The partitions that have been held for longer: the transaction of another producer does not end."""
        now = self._clock.monotonic()
        return [partition for partition in self._held if now - self._held_since[partition] > seconds]

    def take_over(self, partitions: Sequence[Partition]) -> None:
        """Open or hold these partitions. Blocks for about a second at most, and one more to find a first offset.

        Raises HaltError for an offset that is missing and must not be, and for an error that does not pass.
        """
        deadline = self._clock.monotonic() + _BUDGET_S
        offsets: dict[Partition, int] = {}
        held: list[Partition] = []
        for partition in partitions:
            timeout_s = min(0.3, deadline - self._clock.monotonic())
            if timeout_s > 0 and self._open(partition, timeout_s):
                offsets[partition] = self.ledgers[partition].next_offset
            else:
                held.append(partition)
        self._consumers.start(offsets)
        self._consumers.hold(held)
        now = self._clock.monotonic()
        self._held.update(dict.fromkeys(held, now))
        self._held_since.update(dict.fromkeys(held, now))

    def ask_again(self, now: float) -> None:
        """Try to open one held partition, if it is time; `now` is in seconds of the monotonic clock.

        Blocks for a tenth of a second, and one more to find a first offset: one at a time, so that callbacks are served
        in between. The partition whose time came first is asked for, so that none waits behind others without end.
        Raises as `take_over`.
        """
        partition = min(self._held, key=self._held.__getitem__, default=None)
        if partition is None or self._held[partition] > now:
            return
        self._held[partition] = now + _ASK_AGAIN_S
        if not self._open(partition, 0.1):
            return
        try:
            self._consumers.release(partition, self.ledgers[partition].next_offset)
        except TimeoutError:
            self._close(partition)
        else:
            del self._held[partition]

    def reached(self, ends: Mapping[Partition, int]) -> None:
        """Note the ends of partitions: below them, nothing but transaction markers is left to read."""
        for partition, end in ends.items():
            ledger = self.ledgers.get(partition)
            if ledger is not None and ledger.reached(end):
                self.unannounced.add(partition)

    def announced(self, partitions: Iterable[Partition]) -> None:
        """Note that the group has a committed offset for these partitions."""
        for partition in partitions:
            self._seen.add(partition)
            self.unannounced.discard(partition)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """End the assignments of these partitions."""
        for partition in partitions:
            self._held.pop(partition, None)
            self._close(partition)

    def _open(self, partition: Partition, timeout_s: float) -> bool:
        """Make the ledger of a partition; False if Kafka does not tell its offset, or its topic's id, yet."""
        topic_id = self._topics.id_of(partition[0])
        if topic_id is None:
            return False
        try:
            found = self._consumers.committed(partition, timeout_s=timeout_s)
            offset, metadata = found or (self._first_offset(partition), "")
        except TimeoutError:
            return False
        self._topics.check(partition[0], metadata)
        ledger = Ledger(
            epoch=next(self._epochs),
            watermark=offset,
            metadata=metadata,
            limit_chars=self._map_limit,
            topic_id=topic_id,
        )
        self.ledgers[partition] = ledger
        self._by_epoch[ledger.epoch] = partition
        if found is None:
            self.unannounced.add(partition)
        else:
            self._seen.add(partition)
        return True

    def _first_offset(self, partition: Partition) -> int:
        topic, number = partition
        if partition in self._seen:
            raise HaltError(
                f"the group's offset of {topic}/{number} is gone; starting over would republish everything."
                " Choose where to go on with kafka-consumer-groups --reset-offsets"
            )
        first, _ = self._consumers.bounds(partition, timeout_s=1.0)
        return first

    def _close(self, partition: Partition) -> None:
        self.unannounced.discard(partition)
        if (ledger := self.ledgers.pop(partition, None)) is not None:
            del self._by_epoch[ledger.epoch]
