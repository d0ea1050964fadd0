"""The admission of orders: bounds, waiting orders, probes, and the guard against deadlock."""

from __future__ import annotations

from tests.support.kafka_thread import FOR_EVER, STAMP, A, B, Thread, at

from journeys.worker.kafka_thread.intake import Bounds


def test_due_retries_come_before_new_orders() -> None:
    """Under a backlog that takes all the room there is, retries still get their turn."""
    thread = Thread(A, B, bounds=Bounds(orders=2, bytes=10_000))
    thread.place(B, 0, due=FOR_EVER)
    thread.place(A, *range(8))
    assert thread.pool.submitted == [at(A, 0), at(A, 1)]
    waiting = thread.admission._scheduled
    waiting._heap = [(0, *entry[1:]) for entry in waiting._heap]  # its time has come
    thread.finish(A, 0, 1)
    assert at(B, 0) in thread.pool.submitted


def test_waiting_orders_take_no_room() -> None:
    """However large they are: else nothing would move until they are due."""
    thread = Thread(A, B, bounds=Bounds(orders=100, bytes=100))
    thread.place(B, 0, 1, size=200, due=FOR_EVER)
    assert (thread.admission.not_due, thread.admission.in_hand, thread.admission.bytes_in_hand) == (2, 0, 0)
    thread.place(A, 0)
    assert thread.pool.submitted == [at(A, 0)]


def test_deadlock_guard_admits_a_due_order_although_full() -> None:
    """Its successor fills what may be in hand, and does not fit the map before it (seeds 1453 and 1583 stood still)."""
    thread = Thread(A, bounds=Bounds(orders=1, bytes=10_000), map_limit=10)
    thread.place(A, 0, 20, due=str(thread.clock.wall_ms() + 60_000))
    thread.turn()
    waiting = thread.admission._scheduled
    waiting._heap = sorted((0 if entry[3].message.position.offset else entry[0], *entry[1:]) for entry in waiting._heap)
    thread.turn()
    thread.finish(A, 20)
    assert (thread.pool.submitted, thread.backlog.is_blocked) == ([at(A, 20)], True)
    thread.turn()
    assert thread.pool.submitted == [at(A, 20)]
    thread.clock_at = 61.0
    thread.turn()
    assert thread.pool.submitted == [at(A, 20), at(A, 0)]
    thread.finish(A, 0)
    assert thread.group.offsets[A] == (21, STAMP)


def test_shut_gate_admits_only_probes() -> None:
    """Not even retries that are due; then one, as a probe, and the others once it is open."""
    thread = Thread(A)
    for offset in range(4):
        thread.place(A, offset, due=str(thread.clock.wall_ms() + 60_000))
    thread.clock_at += 120.0
    thread.gate.is_shut = True
    thread.turn(3)
    assert (thread.admission.room, thread.pool.submitted) == (0, [])
    thread.gate.wants_one_more = True
    thread.turn(3)
    assert (thread.pool.submitted, thread.gate.wants_one_more) == ([at(A, 0)], False)
    thread.gate.is_shut = False
    thread.turn()
    assert thread.pool.submitted == [at(A, offset) for offset in range(4)]
