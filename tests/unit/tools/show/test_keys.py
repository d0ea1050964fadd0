"""Whether a topic is keyed by order id."""

from __future__ import annotations

import pytest

from journeys.kafka.partitioner import partition_of
from journeys.model import OrderMessage, Position
from journeys.tools.show.keys import is_keyed


def message(key: bytes | None, partition: int) -> OrderMessage:
    """A record with this key."""
    place = Position(topic="orders", partition=partition, offset=0)
    return OrderMessage(position=place, key=key, value=b"A-1", headers=(), timestamp_ms=None)


PLACE = partition_of(b"A-1", 6)


def test_topic_is_keyed_if_all_samples_are_in_the_partitions_of_their_orders() -> None:
    """A record without an order says nothing, and neither does an empty topic."""
    assert is_keyed([(message(b"A-1", PLACE), "A-1"), (message(None, 0), None)], 6)
    assert is_keyed([], 6)


@pytest.mark.parametrize("other", [message(None, PLACE), message(b"shop", PLACE), message(b"A-1", 5 - PLACE)])
def test_one_other_record_means_that_all_partitions_must_be_read(other: OrderMessage) -> None:
    """Without a key, with another key, or in another partition than the key's."""
    assert not is_keyed([(message(b"A-1", PLACE), "A-1"), (other, "A-1")], 6)
