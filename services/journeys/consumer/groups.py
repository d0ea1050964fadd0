"""Order topics and retry tiers, read by two consumers, each in a group of its own.

One group would balance them together, by the number of partitions alone. With a cooperative-sticky assignor the worker
that joins last can then get only retry tiers (measured), and the first one keeps the orders. Two groups share each
evenly.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from journeys.consumer.consumer import Listener, OrderConsumer, Partition
from journeys.model import GroupOffsets, OffsetCommit, OrderMessage


class OrderConsumers:
    """Consumers of distinct topics, used as one. Only the Kafka thread calls it, apart from `close`.

    A method that an `OrderConsumer` has too blocks and raises as it does there.
    """

    def __init__(self, topics: Mapping[OrderConsumer, Sequence[str]]) -> None:
        self._consumers = list(topics)
        self._by_topic = {topic: consumer for consumer, names in topics.items() for topic in names}

    def subscribe(self, listener: Listener) -> None:
        """Join all groups, in the background; never blocks."""
        for consumer in self._consumers:
            consumer.subscribe(listener)

    def poll(self, timeout_s: float, limit: int) -> list[OrderMessage]:
        """Poll each consumer once, for `limit` messages in all; only the first one waits, for `timeout_s`.

        May return a few messages more, because each consumer must be polled and gives at least one.
        """
        messages: list[OrderMessage] = []
        for consumer in self._consumers:
            messages += consumer.poll(timeout_s, max(1, limit - len(messages)))
            timeout_s = 0.0
        return messages

    def take_ends(self) -> dict[Partition, int]:
        """The ends of partitions that `poll` reached since the last call."""
        ends: dict[Partition, int] = {}
        for consumer in self._consumers:
            ends |= consumer.take_ends()
        return ends

    def has_joined(self, topics: Iterable[str]) -> bool:
        """Whether the groups of these topics took this member in. Until then they refuse offsets: poll first."""
        return all(consumer.joined for consumer in {self._by_topic[topic] for topic in topics})

    @property
    def obstacles(self) -> dict[str, str]:
        """Why a group's member cannot read all its topics, by the name of the group; empty while both can."""
        return {consumer.group: obstacle for consumer in self._consumers if (obstacle := consumer.obstacle) is not None}

    @property
    def group_by_topic(self) -> dict[str, str]:
        """The name of the group that reads each topic."""
        return {topic: consumer.group for topic, consumer in self._by_topic.items()}

    def in_groups(self, commits: Iterable[OffsetCommit]) -> list[GroupOffsets]:
        """The commits of each group, with its metadata. Never blocks."""
        found: dict[OrderConsumer, list[OffsetCommit]] = defaultdict(list)
        for commit in commits:
            found[self._by_topic[commit.topic]].append(commit)
        return [GroupOffsets(offsets=tuple(own), metadata=consumer.group_metadata) for consumer, own in found.items()]

    def committed(self, partition: Partition, *, timeout_s: float) -> tuple[int, str] | None:
        """The group's (offset, metadata) of a partition, or None if nothing was ever committed."""
        return self._of(partition).committed(partition, timeout_s=timeout_s)

    def bounds(self, partition: Partition, *, timeout_s: float) -> tuple[int, int]:
        """The first offset of a partition and the one after its last."""
        return self._of(partition).bounds(partition, timeout_s=timeout_s)

    def known_end(self, partition: Partition) -> int | None:
        """The offset after the last one, as of the last fetch; None before the first fetch."""
        return self._of(partition).known_end(partition)

    def start(self, offsets: Mapping[Partition, int]) -> None:
        """Take over newly assigned partitions, and read each from its offset."""
        for consumer, partitions in self._split(offsets):
            consumer.start({partition: offsets[partition] for partition in partitions})

    def hold(self, partitions: Iterable[Partition]) -> None:
        """Take over newly assigned partitions without reading them yet."""
        for consumer, own in self._split(partitions):
            consumer.hold(own)

    def release(self, partition: Partition, offset: int) -> None:
        """Start reading a held partition at `offset`."""
        self._of(partition).release(partition, offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop reading these partitions."""
        for consumer, own in self._split(partitions):
            consumer.pause(own)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Read paused partitions again, from where they were."""
        for consumer, own in self._split(partitions):
            consumer.resume(own)

    def close(self) -> None:
        """Leave all groups, side by side. May block for minutes behind a pending join."""
        closing = [threading.Thread(target=consumer.close, daemon=True) for consumer in self._consumers]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _of(self, partition: Partition) -> OrderConsumer:
        return self._by_topic[partition[0]]

    def _split(self, partitions: Iterable[Partition]) -> Iterable[tuple[OrderConsumer, list[Partition]]]:
        own: dict[OrderConsumer, list[Partition]] = defaultdict(list)
        for partition in partitions:
            own[self._of(partition)].append(partition)
        return own.items()
