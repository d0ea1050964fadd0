"""Since when the oldest order of each partition is in hand, and nothing was committed."""

from __future__ import annotations

from journeys.consumer.consumer import Partition
from journeys.worker.kafka_thread.ages import Ages

A: Partition = ("orders", 0)
B: Partition = ("orders", 1)


def test_oldest_order_is_the_first_one_left() -> None:
    """Orders end in any order."""
    ages = Ages()
    for now, offset in enumerate((5, 6, 9)):
        ages.began(A, offset, float(now))
    ages.began(B, 5, 7.0)
    ages.ended(A, 6)
    assert ages.oldest() == {A: 0.0, B: 7.0}
    ages.ended(A, 5)
    assert ages.oldest() == {A: 2.0, B: 7.0}
    ages.ended(A, 9)
    ages.ended(A, 9)
    assert ages.oldest() == {B: 7.0}


def test_assignment_counts_as_a_commit() -> None:
    """A commit of the last owner counts like one of ours."""
    ages = Ages()
    ages.assigned([A, B], 1.0)
    ages.committed([B], 4.0)
    assert ages.commits() == {A: 1.0, B: 4.0}
    ages.began(B, 5, 5.0)
    ages.forget([B])
    assert (ages.commits(), ages.oldest()) == ({A: 1.0}, {})
