"""Since when, by partition, the oldest order is in hand, and nothing was committed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from journeys.consumer.consumer import Partition


class Ages:
    """Written by the Kafka thread, readable by any; times are of one monotonic clock, and never go back."""

    def __init__(self) -> None:
        # Orders come in the order of time, so that the first one left is the oldest.
        self._in_hand: dict[Partition, dict[int, float]] = defaultdict(dict)
        self._committed: dict[Partition, float] = {}

    def assigned(self, partitions: Iterable[Partition], now: float) -> None:
        """Partitions came: what their last owner committed, it did just before."""
        self._committed.update(dict.fromkeys(partitions, now))

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Partitions went."""
        for partition in partitions:
            self._in_hand.pop(partition, None)
            self._committed.pop(partition, None)

    def began(self, partition: Partition, offset: int, now: float) -> None:
        """An order was taken in."""
        self._in_hand[partition][offset] = now

    def ended(self, partition: Partition, offset: int) -> None:
        """It was published, or given to where it goes on."""
        self._in_hand[partition].pop(offset, None)

    def committed(self, partitions: Iterable[Partition], now: float) -> None:
        """A commit of these took effect."""
        self._committed.update(dict.fromkeys(partitions, now))

    def oldest(self) -> dict[Partition, float]:
        """Since when the oldest order of each partition is in hand; those with none are left out."""
        # `list` copies in one go, whatever the Kafka thread does meanwhile.
        in_hand = {partition: list(orders.values()) for partition, orders in list(self._in_hand.items())}
        return {partition: times[0] for partition, times in in_hand.items() if times}

    def commits(self) -> dict[Partition, float]:
        """When each partition was last committed, or came."""
        return dict(self._committed)
