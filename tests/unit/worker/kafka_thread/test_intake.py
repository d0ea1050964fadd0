"""When orders are taken in, and which of them wait for their time."""

from __future__ import annotations

from msgspec.structs import replace

from journeys.model import OrderMessage, Position
from journeys.worker.handover import AdmittedOrder
from journeys.worker.kafka_thread.intake import Bounds, Intake
from journeys.worker.kafka_thread.scheduled import Schedule, ScheduledOrders

BOUNDS = Bounds(orders=100, bytes=1000)


def waiting(offset: int, *, epoch: int = 1, partition: int = 0) -> AdmittedOrder:
    """An order that waits."""
    position = Position(topic="orders.retry.1m", partition=partition, offset=offset)
    return AdmittedOrder(
        epoch=epoch, message=OrderMessage(position=position, key=None, value=b"", headers=(), timestamp_ms=None)
    )


def offsets(orders: list[AdmittedOrder]) -> list[int]:
    """Which orders these are."""
    return [order.message.position.offset for order in orders]


def test_bytes_bound_intake_as_orders_do() -> None:
    """There is room for orders only while the bytes in hand are within their bound."""
    assert BOUNDS.room(orders=40, in_bytes=999) == 60
    assert BOUNDS.room(orders=40, in_bytes=1000) == 0


def test_a_short_stop_does_not_pause_and_ends_at_once() -> None:
    """Within `pause_after`, intake opens as soon as there is any room."""
    intake = Intake(BOUNDS, pause_after=2.0)
    intake.update(room=0, now=10.0)
    assert (intake.open, intake.paused) == (False, False)
    intake.update(room=1, now=11.9)
    assert intake.open


def test_a_long_stop_pauses_until_half_full() -> None:
    """After `pause_after`, resuming costs a second, so it waits until it is worth it."""
    intake = Intake(BOUNDS, pause_after=2.0)
    intake.update(room=0, now=10.0)
    intake.update(room=0, now=12.5)
    assert intake.paused
    intake.update(room=49, now=13.0)
    assert not intake.open
    intake.update(room=50, now=14.0)
    assert (intake.open, intake.paused) == (True, False)


def test_an_order_due_is_not_stuck_behind_one_that_is_not() -> None:
    """Orders leave by due time, whatever partition and order they came in."""
    room = ScheduledOrders()
    room.add(waiting(1), 5000)
    room.add(waiting(2), 1000)
    room.add(waiting(3, partition=1), 2000)
    assert offsets(room.due(999, 10)) == []
    assert offsets(room.due(2000, 10)) == [2, 3]
    assert offsets(room.due(9000, 10)) == [1]


def test_the_waiting_room_bounds_each_partition_and_what_it_gives() -> None:
    """A partition with every seat taken is full; others are not; `limit` bounds what leaves."""
    room = ScheduledOrders(seats=2)
    for offset in range(2):
        room.add(waiting(offset), 10)
    assert room.is_full(("orders.retry.1m", 0))
    assert not room.is_full(("orders.retry.1m", 1))
    assert len(room.due(10, 1)) == 1
    assert not room.is_full(("orders.retry.1m", 0))


def test_orders_of_an_assignment_gone_by_are_forgotten() -> None:
    """What another worker owns now does not wait here."""
    room = ScheduledOrders(seats=1)
    room.add(waiting(1, epoch=1), 10)
    room.add(waiting(2, epoch=2, partition=1), 10)
    room.forget(lambda admitted: admitted.epoch == 1)
    assert offsets(room.due(10, 10)) == [2]
    assert not room.is_full(("orders.retry.1m", 0))


def test_a_due_time_is_read_from_its_header() -> None:
    """`not-before` is milliseconds since the epoch; anything else means at once, and more than we ask for is cut."""
    timetable = Schedule(retry_topics=frozenset({"orders.retry.1m"}), longest=3600.0, settle=1800.0)
    base = waiting(1).message
    for value, expected in (
        (b"1700", 1700),
        (b"soon", None),
        (None, None),
        (b"9" * 18, 9000 + 3_600_000),
        (b"9" * 20, None),
        (b"9" * 5000, None),
    ):
        headers = (("not-before", value),)
        message = OrderMessage(position=base.position, key=None, value=b"", headers=headers, timestamp_ms=None)
        assert timetable.due_ms(message, 9000) == expected


def test_a_new_order_is_due_once_it_has_settled() -> None:
    """The time that its record bears counts, up to now: a clock that is ahead keeps no order waiting for longer."""
    settled = Schedule(retry_topics=frozenset(), longest=0.0, settle=1.5)
    base = waiting(1).message
    for written, expected in ((7000, 8500), (9000, 10_500), (99_000, 10_500), (None, None)):
        assert settled.due_ms(replace(base, timestamp_ms=written), 9000) == expected
    assert Schedule(retry_topics=frozenset(), longest=0.0, settle=0).due_ms(base, 9000) is None
