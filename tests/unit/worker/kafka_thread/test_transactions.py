"""Transactions of the Kafka thread, against a group, a producer and a pool in memory: aborts, doubts and fences."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.support.kafka_thread import ABORTED, STAMP, UNKNOWN, A, B, Thread, at
from tests.support.runbook import walk_end

from journeys.errors import HaltError
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.states import State


def test_results_linger_only_while_other_orders_are_in_hand() -> None:
    """An order alone is published at once, yet never a transaction sooner than the linger after the last."""
    thread = Thread(A, linger=3600)
    thread.clock_at += 3600
    thread.place(A, 0, 1)
    thread.pool.finish(at(A, 0), at=thread.clock.monotonic())
    thread.turn()
    assert thread.published() == []
    thread.pool.finish(at(A, 1), at=thread.clock.monotonic())
    thread.turn()
    assert thread.published() == ["orders/0/0", "orders/0/1"]
    thread.place(A, 2)
    thread.pool.finish(at(A, 2), at=thread.clock.monotonic())
    thread.turn()
    assert thread.published() == ["orders/0/0", "orders/0/1"]
    thread.clock_at += 3600
    thread.turn()
    assert thread.published() == ["orders/0/0", "orders/0/1", "orders/0/2"]


@pytest.mark.parametrize("takes_effect", [True, False])
def test_unknown_outcome_is_read_back_before_resending(*, takes_effect: bool) -> None:
    """A transaction that had taken effect is done; any other is sent again, without a new fetch."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    thread.publisher.answers.append(UNKNOWN)
    thread.publisher.takes_effect = takes_effect
    thread.finish(A, 0)
    assert thread.transactions.state is State.IN_DOUBT
    thread.turn(2)
    assert thread.published() == ["orders/0/0"]
    assert thread.group.offsets[A] == (1, STAMP)
    assert thread.pool.submitted == [at(A, 0), at(A, 1)]


def test_failed_recoveries_lose_nothing() -> None:
    """Kafka comes back at the fourth try; each failure is reported, and backs off."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.answers.append(UNKNOWN)
    thread.finish(A, 0)
    thread.publisher.is_reachable = False
    thread.turn(3)
    assert len(thread.complaints.reasons) == 3
    thread.loop.step()  # backed off: not asked
    assert len(thread.complaints.reasons) == 3
    thread.publisher.is_reachable = True
    thread.turn(2)
    assert thread.published() == ["orders/0/0"]


def test_unknown_outcomes_in_a_row_back_off() -> None:
    """A producer that breaks at each transaction is not rebuilt in a tight loop."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.answers.extend([UNKNOWN] * 8)
    thread.finish(A, 0)
    for _ in range(7):
        thread.turn(2)
    assert thread.transactions.back_off.setbacks == 8
    rebuilt = thread.publisher.rebuilt
    for _ in range(20):
        thread.loop.step()
    assert thread.publisher.rebuilt == rebuilt


def test_third_fence_halts() -> None:
    """Another process uses the same instance id."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.answers.extend([replace(UNKNOWN, fenced=True)] * 3)
    thread.finish(A, 0)
    with pytest.raises(HaltError, match="INSTANCE_ID") as raised:
        thread.turn(6)
    walk_end("Two workers, one instance id", str(raised.value))


def test_oversized_record_dead_letters_only_its_own_order() -> None:
    """Its dead letter goes out with the others' records, and the bytes add up."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    thread.publisher.answers.append(replace(ABORTED, oversized=frozenset({1})))
    thread.finish(A, 0, 1)
    thread.turn()
    assert [record.topic for record in thread.group.records] == ["journey.ads", "orders.dead-letter"]
    assert thread.group.offsets[A] == (2, STAMP)
    assert (thread.admission.bytes_in_hand, thread.backlog.pending_bytes) == (0, 0)


def test_no_commit_before_the_group_is_joined() -> None:
    """An empty member id: poll first."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.consumer.joined = False
    thread.finish(A, 0)
    assert thread.publisher.published == []
    thread.consumer.joined = True
    thread.turn()
    assert thread.published() == ["orders/0/0"]


def test_blocked_results_are_not_planned_in_a_tight_loop() -> None:
    """There is a pause before the next look."""
    thread = Thread(A, map_limit=10)
    thread.place(A, 0, 20)
    thread.finish(A, 20)
    assert thread.transactions.back_off.until > 0


def test_abort_inside_a_poll_needs_another_poll_before_resending() -> None:
    """The poll that was going on may have begun before the group changed its mind."""
    thread = Thread(A, B)
    thread.place(A, 0)
    thread.place(B, 0)
    thread.transactions.back_off.until = math.inf
    thread.pool.finish(at(A, 0), at(B, 0))
    thread.publisher.answers.append(ABORTED)
    thread.consumer.rebalances.append(lambda listener: listener.revoked([A]))
    thread.loop.step()
    assert thread.transactions.state is State.ABORTED
    thread.transactions.back_off.until = 0.0
    thread.loop.step()
    assert thread.published() == []
    thread.loop.step()
    assert thread.published() == ["orders/1/0"]


def test_abort_is_followed_by_a_poll_at_once_although_full() -> None:
    """With full hands a poll comes now and then; after an abort, the next transaction waits for it."""
    thread = Thread(A, bounds=Bounds(orders=2, bytes=10_000))
    thread.place(A, 0, 1)
    thread.turn()
    thread.loop.pace = replace(thread.loop.pace, poll_when_full_s=3600.0)
    thread.pool.finish(at(A, 0))
    thread.publisher.answers.append(ABORTED)
    thread.turn()
    assert thread.transactions.state is State.READY
    thread.turn()
    assert thread.published() == ["orders/0/0"]


def test_poll_inside_a_transaction_is_a_defect() -> None:
    """It could let stale offsets through: a worker that does so is wrong."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.before_answer = lambda: thread.loop._serve(0, 1)
    thread.pool.finish(at(A, 0))
    with pytest.raises(KeyError):
        thread.turn()
    assert thread.published() == []


def test_offset_passes_markers_at_the_end_of_a_partition() -> None:
    """With the commit of the order before them, or alone, once. Else retention could delete the offset's place."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.consumer.reached = {A: 2}
    thread.turn()
    thread.finish(A, 0)
    assert thread.group.offsets[A] == (2, STAMP)
    thread.clock_at += 1.0
    thread.consumer.reached = {A: 4}
    thread.turn(3)
    assert thread.group.offsets[A] == (4, STAMP)
    assert [orders for orders, _ in thread.publisher.published] == [1, 0]


def test_blocked_results_are_looked_at_after_a_while_even_without_a_linger() -> None:
    """Else the thread would look at them without a pause."""
    thread = Thread(A, map_limit=10, linger=0.0)
    thread.place(A, 0, 20)
    before = thread.clock.monotonic()
    thread.finish(A, 20)
    assert thread.backlog.is_blocked
    assert thread.transactions.back_off.until >= before + 0.02
