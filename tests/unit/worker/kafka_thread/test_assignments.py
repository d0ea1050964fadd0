"""Where a partition is read from, and what is done where Kafka does not say."""

from __future__ import annotations

import pytest
from tests.support.worker_fakes import FakeConsumer, FakeTopics, Group

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.errors import HaltError
from journeys.worker.happenings import Hooks
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.topic_watch import TopicWatch

A: Partition = ("orders", 0)
B: Partition = ("orders", 1)


class Slow(FakeConsumer):
    """Asking takes its time; what is held may not be movable yet."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.now = 0.0
        self.asked: list[tuple[Partition, float]] = []
        self.is_movable = True

    def committed(self, partition: Partition, *, timeout_s: float) -> tuple[int, str] | None:
        """A time-out passes where the group does not say."""
        self.asked.append((partition, timeout_s))
        if partition in self.kafka.unstable:
            self.now += timeout_s
        return super().committed(partition, timeout_s=timeout_s)

    def release(self, partition: Partition, offset: int) -> None:
        """If it can be moved."""
        if not self.is_movable:
            raise TimeoutError
        super().release(partition, offset)


class Bench:
    """Assignments of one group."""

    def __init__(self) -> None:
        self.group = Group()
        self.consumer = Slow(self.group)
        clock = Clock(wall=lambda: 0.0, monotonic=lambda: self.consumer.now)
        consumers = OrderConsumers({self.consumer: ["orders"]})
        self.brokers = FakeTopics()
        self.topics = TopicWatch(
            self.brokers.ask, groups=consumers.group_by_topic, servers="broker:9092", hooks=Hooks(), clock=clock
        )
        self.topics.look(0.0)
        self.topics.look(0.0)
        self.assignments = Assignments(consumers, self.topics, map_limit=4000, clock=clock)


def test_partition_without_an_offset_starts_at_its_beginning() -> None:
    """Its first offset is announced, so that a later absence is known as a loss."""
    bench = Bench()
    bench.consumer.ends = {A: 9}
    bench.assignments.take_over([A])
    assert bench.consumer.positions == {A: 0}
    assert bench.assignments.unannounced == {A}
    bench.assignments.announced([A])
    assert bench.assignments.unannounced == set()


@pytest.mark.parametrize("seen_by", ["its own commit", "another's"])
def test_lost_offset_halts(seen_by: str) -> None:
    """Starting over would publish everything again."""
    bench = Bench()
    if seen_by == "another's":
        bench.group.offsets[A] = (3, "")
    bench.assignments.take_over([A])
    bench.assignments.announced([A] if seen_by == "its own commit" else [])
    bench.assignments.forget([A])
    bench.group.offsets.clear()
    with pytest.raises(HaltError, match="the group's offset of orders/0 is gone"):
        bench.assignments.take_over([A])


def test_partition_with_an_unstable_offset_is_held() -> None:
    """The others are read at once; it is asked for again after a while, not at each turn."""
    bench = Bench()
    bench.group.offsets = {A: (3, ""), B: (5, "")}
    bench.group.unstable.add(A)
    bench.assignments.take_over([A, B])
    assert (bench.consumer.positions, len(bench.assignments.held_longer_than(-1.0))) == ({B: 5}, 1)
    asked = len(bench.consumer.asked)
    bench.assignments.ask_again(bench.consumer.now)
    bench.assignments.ask_again(bench.consumer.now)
    assert len(bench.consumer.asked) == asked + 1
    bench.group.unstable.clear()
    bench.assignments.ask_again(bench.consumer.now + 1.0)
    assert (bench.consumer.positions, len(bench.assignments.held_longer_than(-1.0))) == ({A: 3, B: 5}, 0)


def test_held_partition_that_cannot_seek_has_no_ledger() -> None:
    """Else what was prefetched at the wrong place would be taken in."""
    bench = Bench()
    bench.group.offsets = {A: (3, "")}
    bench.group.unstable.add(A)
    bench.assignments.take_over([A])
    bench.group.unstable.clear()
    bench.consumer.is_movable = False
    bench.assignments.ask_again(bench.consumer.now)
    assert (bench.assignments.ledgers, len(bench.assignments.held_longer_than(-1.0))) == ({}, 1)
    bench.consumer.is_movable = True
    bench.assignments.ask_again(bench.consumer.now + 1.0)
    [ledger] = bench.assignments.ledgers.values()
    assert (ledger.watermark, bench.assignments.partition_of(ledger.epoch)) == (3, A)


def test_rebalance_waits_a_second_at_most_for_all_offsets() -> None:
    """However many there are: whoever waits longer is thrown out."""
    bench = Bench()
    many = [("orders", number) for number in range(20)]
    bench.group.unstable.update(many)
    bench.assignments.take_over(many)
    assert bench.consumer.now == pytest.approx(1.0)
    assert len(bench.assignments.held_longer_than(-1.0)) == 20


def test_revoked_partition_is_not_asked_for_again() -> None:
    """Held or read: it is somebody else's; an epoch of it means nothing any more."""
    bench = Bench()
    bench.group.unstable.add(A)
    bench.assignments.take_over([A, B])
    [epoch] = bench.assignments.epochs_of([A, B])
    bench.assignments.forget([A, B])
    assert bench.assignments.held_longer_than(-1.0) == []
    assert (bench.assignments.ledgers, bench.assignments.unannounced) == ({}, set())
    assert bench.assignments.partition_of(epoch) is None
    asked = len(bench.consumer.asked)
    bench.assignments.ask_again(bench.consumer.now + 9.0)
    assert len(bench.consumer.asked) == asked


def test_no_held_partition_keeps_the_others_from_being_asked() -> None:
    """The offsets of a dead worker stay unstable; those of another one, which left, are there."""
    bench = Bench()
    unstable, stable = ([("orders", number) for number in numbers] for numbers in (range(6), range(6, 12)))
    bench.group.offsets = dict.fromkeys([*unstable, *stable], (3, ""))
    bench.group.unstable.update(unstable)
    bench.assignments.take_over([*unstable, *stable])
    for _ in range(20):
        bench.assignments.ask_again(bench.consumer.now)
    assert bench.consumer.positions == dict.fromkeys(stable, 3)
