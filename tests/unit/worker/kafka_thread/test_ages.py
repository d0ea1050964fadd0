"""Since when the oldest order of each partition is in hand, and nothing was committed."""

from __future__ import annotations

from journeys.consumer.consumer import Partition
from journeys.model import OrderMessage, Position
from journeys.worker.kafka_thread.ages import Ages

A: Partition = ("orders", 0)
B: Partition = ("orders", 1)


def at(partition: Partition, offset: int) -> OrderMessage:
    """An order message."""
    position = Position(topic=partition[0], partition=partition[1], offset=offset)
    return OrderMessage(position=position, key=None, value=b"A-1", headers=(), timestamp_ms=None)


def test_oldest_order_is_the_first_one_left() -> None:
    """Orders end in any order."""
    ages = Ages()
    for now, offset in enumerate((5, 6, 9)):
        ages.began(at(A, offset), float(now))
    ages.began(at(B, 5), 7.0)
    ages.ended(A, 6)
    assert ages.oldest() == {A: 0.0, B: 7.0}
    ages.ended(A, 5)
    assert ages.oldest() == {A: 2.0, B: 7.0}
    ages.ended(A, 9)
    ages.ended(A, 9)
    assert ages.oldest() == {B: 7.0}


def test_oldest_order_of_all_partitions_is_known() -> None:
    """With its message; none after the last one has ended."""
    ages = Ages()
    assert ages.oldest_order() is None
    ages.began(at(B, 5), 2.0)
    ages.began(at(A, 7), 1.0)
    assert ages.oldest_order() == (1.0, at(A, 7))
    ages.ended(A, 7)
    assert ages.oldest_order() == (2.0, at(B, 5))


def test_order_in_hand_is_found_by_its_offset() -> None:
    """Until it is published."""
    ages = Ages()
    ages.began(at(A, 5), 1.0)
    assert (ages.message(A, 5), ages.message(A, 6), ages.message(B, 5)) == (at(A, 5), None, None)
    ages.ended(A, 5)
    assert ages.message(A, 5) is None


def test_assignment_counts_as_a_commit() -> None:
    """A commit of the last owner counts like one of ours."""
    ages = Ages()
    ages.assigned([A, B], 1.0)
    ages.committed([B], 4.0)
    assert ages.commits() == {A: 1.0, B: 4.0}
    ages.began(at(B, 5), 5.0)
    ages.forget([B])
    assert (ages.commits(), ages.oldest()) == ({A: 1.0}, {})
