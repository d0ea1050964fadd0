"""Where a partition is read from, and what is done where Kafka does not say."""

from __future__ import annotations

import pytest
from tests.support.worker_fakes import FakeSource, Group

from journeys.clock import Clock
from journeys.consumer.consumer import Listener, Partition
from journeys.consumer.groups import OrderConsumers
from journeys.errors import HaltError
from journeys.worker.kafka_thread.assignments import Assignments, Start

A: Partition = ("orders", 0)
B: Partition = ("orders", 1)
NOBODY: Listener = None  # type: ignore[assignment]  # no rebalance is served here


class Slow(FakeSource):
    """Asking takes its time; what is held may not be movable yet."""

    def __init__(self, group: Group) -> None:
        super().__init__(group, NOBODY)
        self.now = 0.0
        self.asked: list[tuple[Partition, float]] = []
        self.is_movable = True

    def committed(self, partition: Partition, *, timeout: float) -> tuple[int, str] | None:
        """A time-out passes where the group does not say."""
        self.asked.append((partition, timeout))
        if partition in self.group.unstable:
            self.now += timeout
        return super().committed(partition, timeout=timeout)

    def release(self, partition: Partition, offset: int) -> None:
        """If it can be moved."""
        if not self.is_movable:
            raise TimeoutError
        super().release(partition, offset)


class OrderPool:
    """Assignments of one group."""

    def __init__(self, start: Start = "earliest") -> None:
        self.group = Group()
        self.source = Slow(self.group)
        self.source.ends = {A: 9, B: 9}
        self.sources = OrderConsumers({self.source: ["orders"]})
        clock = Clock(wall=lambda: 0.0, monotonic=lambda: self.source.now)
        self.assignments = Assignments(start=start, map_limit=4000, clock=clock)


@pytest.mark.parametrize(("start", "offset"), [("earliest", 0), ("latest", 9)])
def test_a_partition_without_an_offset_is_read_from_where_the_settings_say(start: Start, offset: int) -> None:
    """And that is to be announced, so that a later absence is known for what it is."""
    pool = OrderPool(start)
    pool.assignments.take_over(pool.sources, [A])
    assert pool.source.positions == {A: offset}
    assert pool.assignments.unannounced == {A}
    pool.assignments.announced([A])
    assert pool.assignments.unannounced == set()


def test_where_none_may_be_missing_it_stops() -> None:
    """After the first start, an absent offset is a lost one."""
    pool = OrderPool("error")
    with pytest.raises(HaltError, match="the group has no offset for orders/0"):
        pool.assignments.take_over(pool.sources, [A])


@pytest.mark.parametrize("seen_by", ["its own commit", "another's"])
def test_an_offset_that_was_there_and_is_gone_stops(seen_by: str) -> None:
    """Starting over would publish everything again."""
    pool = OrderPool()
    if seen_by == "another's":
        pool.group.offsets[A] = (3, "")
    pool.assignments.take_over(pool.sources, [A])
    pool.assignments.announced([A] if seen_by == "its own commit" else [])
    pool.assignments.forget([A])
    pool.group.offsets.clear()
    with pytest.raises(HaltError, match="the group's offset of orders/0 is gone"):
        pool.assignments.take_over(pool.sources, [A])


def test_a_partition_that_kafka_does_not_tell_of_is_held_and_read_once_it_does() -> None:
    """The others are read at once; it is asked for again after a while, not at each turn."""
    pool = OrderPool()
    pool.group.offsets = {A: (3, ""), B: (5, "")}
    pool.group.unstable.add(A)
    pool.assignments.take_over(pool.sources, [A, B])
    assert (pool.source.positions, pool.assignments.held) == ({B: 5}, 1)
    asked = len(pool.source.asked)
    pool.assignments.ask_again(pool.sources, pool.source.now)
    pool.assignments.ask_again(pool.sources, pool.source.now)
    assert len(pool.source.asked) == asked + 1
    pool.group.unstable.clear()
    pool.assignments.ask_again(pool.sources, pool.source.now + 1.0)
    assert (pool.source.positions, pool.assignments.held) == ({A: 3, B: 5}, 0)


def test_a_held_partition_that_cannot_be_moved_yet_has_no_ledger() -> None:
    """Else what was prefetched at the wrong place would be taken in."""
    pool = OrderPool()
    pool.group.offsets = {A: (3, "")}
    pool.group.unstable.add(A)
    pool.assignments.take_over(pool.sources, [A])
    pool.group.unstable.clear()
    pool.source.is_movable = False
    pool.assignments.ask_again(pool.sources, pool.source.now)
    assert (pool.assignments.ledgers, pool.assignments.held) == ({}, 1)
    pool.source.is_movable = True
    pool.assignments.ask_again(pool.sources, pool.source.now + 1.0)
    [ledger] = pool.assignments.ledgers.values()
    assert (ledger.watermark, pool.assignments.partition_of(ledger.epoch)) == (3, A)


def test_a_rebalance_waits_for_all_offsets_together_no_longer_than_a_second() -> None:
    """However many there are: whoever waits longer is thrown out."""
    pool = OrderPool()
    many = [("orders", number) for number in range(20)]
    pool.group.unstable.update(many)
    pool.assignments.take_over(pool.sources, many)
    assert pool.source.now == pytest.approx(1.0)
    assert pool.assignments.held == 20


def test_a_partition_that_went_is_not_asked_for_again() -> None:
    """Held or read: it is somebody else's; an epoch of it means nothing any more."""
    pool = OrderPool()
    pool.group.unstable.add(A)
    pool.assignments.take_over(pool.sources, [A, B])
    [epoch] = pool.assignments.epochs_of([A, B])
    pool.assignments.forget([A, B])
    assert (pool.assignments.held, pool.assignments.ledgers, pool.assignments.unannounced) == (0, {}, set())
    assert pool.assignments.partition_of(epoch) is None
    asked = len(pool.source.asked)
    pool.assignments.ask_again(pool.sources, pool.source.now + 9.0)
    assert len(pool.source.asked) == asked
