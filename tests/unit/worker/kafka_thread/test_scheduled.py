"""Orders that wait for their time, and the rule that gives it."""

from __future__ import annotations

from msgspec.structs import replace

from journeys.model import OrderMessage, Position
from journeys.worker.handover import AdmittedOrder
from journeys.worker.kafka_thread.intake import Bounds
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


def test_due_order_is_not_stuck_behind_a_later_one() -> None:
    """Orders leave by due time, whatever partition and order they came in."""
    room = ScheduledOrders()
    room.add(waiting(1), 5000)
    room.add(waiting(2), 1000)
    room.add(waiting(3, partition=1), 2000)
    assert offsets(room.due(999, 10)) == []
    assert offsets(room.due(2000, 10)) == [2, 3]
    assert offsets(room.due(9000, 10)) == [1]


def test_scheduled_orders_are_bounded_by_partition() -> None:
    """A partition with every seat taken is full; others are not; `limit` bounds what leaves."""
    room = ScheduledOrders(max_orders=2)
    for offset in range(2):
        room.add(waiting(offset), 10)
    assert room.is_full(("orders.retry.1m", 0))
    assert not room.is_full(("orders.retry.1m", 1))
    assert len(room.due(10, 1)) == 1
    assert not room.is_full(("orders.retry.1m", 0))


def test_overdue_orders_are_counted_by_partition() -> None:
    """An order that is due may wait for room; then it counts as due."""
    room = ScheduledOrders()
    room.add(waiting(1), 1000)
    room.add(waiting(2), 3000)
    room.add(waiting(7, partition=1), 2000)
    partition = ("orders.retry.1m", 0)
    assert room.overdue(999) == {}
    assert room.overdue(2000) == {partition: 1, ("orders.retry.1m", 1): 1}
    assert (room.of(partition), room.due_ms(partition, 2), room.due_ms(partition, 7)) == (2, 3000, None)
    assert room.message(partition, 2) == waiting(2).message
    room.due(2000, 1)
    assert (room.of(partition), room.message(partition, 1)) == (1, None)


def test_scheduled_orders_of_an_ended_assignment_are_forgotten() -> None:
    """An order that another worker owns now does not wait here."""
    room = ScheduledOrders(max_orders=1)
    room.add(waiting(1, epoch=1), 10)
    room.add(waiting(2, epoch=2, partition=1), 10)
    room.forget(lambda admitted: admitted.epoch == 1)
    assert offsets(room.due(10, 10)) == [2]
    assert not room.is_full(("orders.retry.1m", 0))


def test_due_time_of_a_retry_is_its_not_before_header() -> None:
    """`not-before` is milliseconds since the epoch; anything else means at once, and more than we ask for is cut."""
    timetable = Schedule(retry_topics=frozenset({"orders.retry.1m"}), longest_s=3600.0, settle_s=1800.0)
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


def test_new_order_is_due_after_the_settle_time() -> None:
    """The time that its record bears counts, up to now: a clock that is ahead keeps no order waiting for longer."""
    settled = Schedule(retry_topics=frozenset(), longest_s=0.0, settle_s=1.5)
    base = waiting(1).message
    for written, expected in ((7000, 8500), (9000, 10_500), (99_000, 10_500), (None, None)):
        assert settled.due_ms(replace(base, timestamp_ms=written), 9000) == expected
    assert Schedule(retry_topics=frozenset(), longest_s=0.0, settle_s=0).due_ms(base, 9000) is None
