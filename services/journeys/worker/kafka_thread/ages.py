"""When the oldest order in hand of each partition was admitted, and when each was last committed. Sans-I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from journeys.consumer.consumer import Partition
from journeys.model import OrderMessage


class Ages:
    """The Kafka thread writes, any thread may read. Times are in seconds of one monotonic clock, and never go back."""

    def __init__(self) -> None:
        # Orders come in the order of time, so that the first one left is the oldest.
        self._in_hand: dict[Partition, dict[int, tuple[float, OrderMessage]]] = defaultdict(dict)
        self._committed: dict[Partition, float] = {}

    def assigned(self, partitions: Iterable[Partition], now: float) -> None:
        """Begin with partitions that were assigned: their last owner committed just before."""
        self._committed.update(dict.fromkeys(partitions, now))

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that were revoked."""
        for partition in partitions:
            self._in_hand.pop(partition, None)
            self._committed.pop(partition, None)

    def began(self, message: OrderMessage, now: float) -> None:
        """Note that an order was admitted."""
        position = message.position
        self._in_hand[position.topic, position.partition][position.offset] = (now, message)

    def ended(self, partition: Partition, offset: int) -> None:
        """Note that an order was published, as a journey, a retry or a dead letter."""
        self._in_hand[partition].pop(offset, None)

    def committed(self, partitions: Iterable[Partition], now: float) -> None:
        """Note that a commit of these partitions took effect."""
        self._committed.update(dict.fromkeys(partitions, now))

    def oldest(self) -> dict[Partition, float]:
        """When the oldest order in hand of each partition was admitted; partitions without an order are left out."""
        return {partition: since for partition, (since, _) in self._first().items()}

    def oldest_order(self) -> tuple[float, OrderMessage] | None:
        """The oldest order in hand of all partitions, and when it was admitted; None for no order."""
        return min(self._first().values(), key=lambda first: first[0], default=None)

    def message(self, partition: Partition, offset: int) -> OrderMessage | None:
        """The message of an order in hand; None if the order at this offset is not. For the Kafka thread."""
        found = self._in_hand.get(partition, {}).get(offset)
        return None if found is None else found[1]

    def _first(self) -> dict[Partition, tuple[float, OrderMessage]]:
        # `list` copies at once, even while the Kafka thread changes the dict.
        in_hand = {partition: list(orders.values()) for partition, orders in list(self._in_hand.items())}
        return {partition: orders[0] for partition, orders in in_hand.items() if orders}

    def commits(self) -> dict[Partition, float]:
        """When each partition was last committed, or assigned."""
        return dict(self._committed)
