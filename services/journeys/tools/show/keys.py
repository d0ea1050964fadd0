"""Whether the records of an order are in one partition of a topic, so that the others need not be read. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from journeys.kafka.partitioner import partition_of
from journeys.model import OrderMessage


def is_keyed(samples: Iterable[tuple[OrderMessage, str | None]], count: int) -> bool:
    """Whether each of these records has its order id as key, and is in the key's partition.

    `samples` are records of one topic with their order ids, None for a record without one. `count` is the number of its
    partitions.
    """
    return all(
        message.key == order.encode() and message.position.partition == partition_of(message.key, count)
        for message, order in samples
        if order is not None
    )
