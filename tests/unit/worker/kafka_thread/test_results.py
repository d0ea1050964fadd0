"""Finished orders until they are published: late ones, blocked ones, and more than one transaction takes."""

from __future__ import annotations

from tests.support.kafka_thread import STAMP, A, B, Thread, at


def test_late_result_of_an_ended_assignment_is_dropped() -> None:
    """The partition came back in between: its order is in hand under a new epoch, and published once."""
    thread = Thread(A)
    thread.place(A, 0)
    late = thread.pool.orders[at(A, 0)]
    thread.revoke(A)
    thread.assign(A)
    thread.place(A, 0)
    again = thread.pool.orders[at(A, 0)]
    assert again.epoch != late.epoch
    thread.pool.orders[at(A, 0)] = late
    thread.finish(A, 0)
    assert thread.published() == []
    thread.pool.orders[at(A, 0)] = again
    thread.finish(A, 0)
    assert thread.published() == ["orders/0/0"]
    assert (thread.admission.bytes_in_hand, thread.backlog.pending_bytes) == (0, 0)


def test_results_beyond_the_map_limit_block_no_other_partition() -> None:
    """They wait for their partition's oldest order; when it comes, it is published though they fill a transaction."""
    thread = Thread(A, B, map_limit=10)
    thread.place(A, 0, 20)
    thread.place(B, 0)
    thread.finish(A, 20, records=60)
    assert thread.published() == []
    held_up = [thread.backlog.is_blocked]
    thread.finish(B, 0)
    assert thread.published() == ["orders/1/0"]
    assert [*held_up, thread.backlog.is_blocked] == [True, False]
    thread.finish(A, 0)
    thread.turn()
    assert thread.group.offsets[A] == (21, STAMP)
    assert thread.published().count("orders/0/20") == 60


def test_no_result_is_blocked_once_the_blocked_ones_are_forgotten() -> None:
    """Else journeys would be read beyond the memory limit, though nothing waits for them."""
    thread = Thread(A, B, map_limit=10)
    thread.place(A, 0, 20)
    thread.finish(A, 20)
    assert thread.backlog.is_blocked
    thread.revoke(A)
    assert not thread.backlog.is_blocked


def test_record_limit_splits_results_into_several_transactions() -> None:
    """A bound on records, which a single journey may pass."""
    thread = Thread(A)
    thread.place(A, 0, 1, 2)
    thread.pool.finish(at(A, 0), at(A, 1), records=30)
    thread.pool.finish(at(A, 2), records=80)
    thread.turn(3)
    assert [orders for orders, _ in thread.publisher.published] == [1, 1, 1]
    assert thread.group.offsets[A] == (3, STAMP)
