"""The lag of each partition: how many of its orders are not published yet.

librdkafka knows the end of a partition from its last fetch. A paused partition is not fetched, so its end is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers


class Lag:
    """Measures on the Kafka thread; any thread may read `by_partition`."""

    def __init__(self, consumers: OrderConsumers) -> None:
        self._consumers = consumers
        self._ends: dict[Partition, int] = {}  # of paused partitions, as of the last question
        self._to_ask: set[Partition] = set()
        self.by_partition: Mapping[Partition, int] = {}
        """Orders not published yet, as of the last `measure`; replaced whole."""

    def measure(self, watermarks: Mapping[Partition, int], paused: Collection[Partition]) -> None:
        """Compute the lag from the ends that are known. Never blocks."""
        ends = {partition: self._end(partition) for partition in watermarks}
        self.by_partition = {
            partition: max(0, end - watermarks[partition]) for partition, end in ends.items() if end is not None
        }
        self._to_ask = set(paused)

    def ask(self) -> None:
        """Ask for the end of one paused partition, if any is left since the last `measure`.

        Blocks for a second at most: callbacks of a rebalance wait meanwhile, so it asks for one at a time.
        """
        if not self._to_ask:
            return
        partition = self._to_ask.pop()
        try:
            # No shorter time-out: librdkafka drops the connection, fetches and all, if one of its requests times out.
            self._ends[partition] = self._consumers.bounds(partition, timeout_s=1.0)[1]
        except TimeoutError:
            self._to_ask.clear()

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Ask for the ends of these partitions no more: another member owns them."""
        self._to_ask.difference_update(partitions)

    def _end(self, partition: Partition) -> int | None:
        """The newest end that is known."""
        ends = (self._consumers.known_end(partition), self._ends.get(partition))
        return max((end for end in ends if end is not None), default=None)
