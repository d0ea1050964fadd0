"""Orders and retries as one source of messages: two consumers, each in a group of its own.

In one group they would be balanced together, by the number of partitions alone: with a cooperative-sticky assignor the
worker that joins last can be given nothing but retry tiers (measured), and the orders stay with the first. Apart, each
is shared evenly.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from journeys.consumer.consumer import OrderConsumer, Partition
from journeys.model import GroupOffsets, OffsetCommit, OrderMessage


class OrderConsumers:
    """OrderConsumers with distinct topics, used as one; belongs to the Kafka thread, but for `close`."""

    def __init__(self, sources: Mapping[OrderConsumer, Sequence[str]]) -> None:
        self._sources = list(sources)
        self._by_topic = {topic: source for source, topics in sources.items() for topic in topics}

    def poll(self, timeout: float, limit: int) -> list[OrderMessage]:
        """As `OrderConsumer.poll`, over all; only the first one is waited for."""
        messages: list[OrderMessage] = []
        for source in self._sources:
            messages += source.poll(timeout, max(1, limit - len(messages)))
            timeout = 0.0
        return messages

    def has_joined(self, topics: Iterable[str]) -> bool:
        """Whether the groups of these topics know this member. Until then offsets cannot be committed: poll first."""
        return all(source.joined for source in {self._by_topic[topic] for topic in topics})

    def in_groups(self, commits: Iterable[OffsetCommit]) -> list[GroupOffsets]:
        """These commits, each with the group that it is for."""
        found: dict[OrderConsumer, list[OffsetCommit]] = defaultdict(list)
        for commit in commits:
            found[self._by_topic[commit.topic]].append(commit)
        return [GroupOffsets(offsets=tuple(own), metadata=source.group_metadata) for source, own in found.items()]

    def committed(self, partition: Partition, *, timeout: float) -> tuple[int, str] | None:
        """As `OrderConsumer.committed`."""
        return self._of(partition).committed(partition, timeout=timeout)

    def bounds(self, partition: Partition, *, timeout: float) -> tuple[int, int]:
        """As `OrderConsumer.bounds`."""
        return self._of(partition).bounds(partition, timeout=timeout)

    def known_end(self, partition: Partition) -> int | None:
        """As `OrderConsumer.known_end`."""
        return self._of(partition).known_end(partition)

    def start(self, offsets: Mapping[Partition, int]) -> None:
        """As `OrderConsumer.start`."""
        for source, partitions in self._split(offsets):
            source.start({partition: offsets[partition] for partition in partitions})

    def hold(self, partitions: Iterable[Partition]) -> None:
        """As `OrderConsumer.hold`."""
        for source, own in self._split(partitions):
            source.hold(own)

    def release(self, partition: Partition, offset: int) -> None:
        """As `OrderConsumer.release`."""
        self._of(partition).release(partition, offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        """As `OrderConsumer.pause`."""
        for source, own in self._split(partitions):
            source.pause(own)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """As `OrderConsumer.resume`."""
        for source, own in self._split(partitions):
            source.resume(own)

    def close(self) -> None:
        """Leave all groups, side by side. May block for a while behind a pending join."""
        closing = [threading.Thread(target=source.close, daemon=True) for source in self._sources]
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
