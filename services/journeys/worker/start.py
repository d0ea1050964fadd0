"""The start of a group: where it reads an order topic in which it has no committed offset.

A worker decides this before it joins the group. Afterwards a partition without an offset always starts at its
beginning, also one that was added later. Retry tiers always do.

With `latest`, the first worker commits the ends of all partitions. Workers may start together, and a late commit of one
would repeat orders that another has published meanwhile. So the ends are a transaction of the producer `<group>-start`.
Each worker that finds no offset starts such a producer, which fences the older one, and only then looks again. Kafka
refuses the transaction while the group has members: one may be reading the topic already.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from journeys.errors import HaltError
from journeys.kafka.config import consumer_config, producer_config
from journeys.kafka.reader import PartitionReader, outsider_metadata
from journeys.model import GroupOffsets, OffsetCommit
from journeys.producer.publisher import Outcome, Publisher
from journeys.settings import Settings

_PAUSES_S = tuple(0.05 * 2**failed for failed in range(6))
"""The longest pause after each failed transaction. After the last one the worker gives up."""


def decide_start(settings: Settings) -> list[str]:
    """Decide for all order topics, as `GroupStart.decide` does. Blocks for a second, or half a minute."""
    kafka, orders = settings.kafka, settings.orders
    if orders.start == "earliest":
        return []
    with PartitionReader(consumer_config(settings, group_id=kafka.group_id)) as reader:
        start = GroupStart(
            reader=reader,
            metadata=outsider_metadata(kafka.group_id),
            publisher=Publisher(producer_config(settings, instance_id="start")),
            transaction_s=kafka.transaction_timeout,
        )
        return start.decide(orders.topics, start=orders.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStart:
    """Decides where the group of `reader` starts.

    `metadata` is that of a consumer outside the group. `publisher` makes producers of the name that all workers of the
    group share; `transaction_s` is the time-out of their transactions, in seconds.
    """

    reader: PartitionReader
    metadata: object
    publisher: Publisher
    transaction_s: float
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], object] = time.sleep

    def decide(self, topics: Sequence[str], *, start: Literal["latest", "error"]) -> list[str]:
        """Decide for the topics in which the group has no offset. Returns those that this call let start at their ends.

        Raises HaltError if there are any and `start` is `error`, or if Kafka does not answer.
        """
        undecided = self._without_offset(topics)
        if not undecided:
            return []
        if start == "error":
            raise HaltError(f"the group has no offset in {', '.join(undecided)}, and JOURNEYS_ORDERS__START is error")
        try:
            return self._start_at_ends(undecided)
        except TimeoutError as late:
            raise HaltError(f"Kafka does not answer: {late}") from None
        finally:
            self.publisher.discard()

    def _start_at_ends(self, topics: list[str]) -> list[str]:
        reason = None
        for pause_s in _PAUSES_S:
            self.publisher.rebuild(timeout_s=self._patience_s)
            if not (topics := self._without_offset(topics)):
                return []
            ends = GroupOffsets(offsets=tuple(self._ends(topics)), metadata=lambda: self.metadata)
            result = self.publisher.publish([], [ends], timeout_s=self.transaction_s)
            if result.outcome is Outcome.COMMITTED:
                return topics
            reason = result.reason
            self.sleep(pause_s * self.chance())  # at random, so that one of several workers gets through
            if not (topics := self._without_offset(topics)):
                return []
        raise HaltError(
            f"the group has no offset in {', '.join(topics)}, and Kafka refuses those of its end ({reason}): stop all"
            " workers once, or use JOURNEYS_ORDERS__START=earliest"
        )

    def _without_offset(self, topics: Iterable[str]) -> list[str]:
        """The topics in which the group has no offset at all. Waits for open transactions with offsets of the group."""
        return [topic for topic in topics if not any(self._has_offset(*at) for at in self.reader.partitions(topic))]

    def _has_offset(self, topic: str, partition: int) -> bool:
        try:
            return self.reader.committed(topic, partition, patience_s=self._patience_s) is not None
        except TimeoutError as late:
            raise HaltError(f"Kafka does not say whether the group has an offset in {topic} ({late})") from None

    def _ends(self, topics: Iterable[str]) -> Iterable[OffsetCommit]:
        for topic in topics:
            for _, partition in self.reader.partitions(topic):
                end = self.reader.bounds(topic, partition).stop
                yield OffsetCommit(topic=topic, partition=partition, offset=end, metadata="")

    @property
    def _patience_s(self) -> float:
        """Seconds until the broker has aborted a vanished worker's transaction: it looks every ten seconds."""
        return 2 * self.transaction_s + 10.0
