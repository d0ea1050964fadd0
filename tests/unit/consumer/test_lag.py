"""The lag of each partition, from ends that are known and ends that are asked for."""

from __future__ import annotations

from tests.support.worker_fakes import FakeConsumer, Group

from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.lag import Lag

A: Partition = ("orders", 0)
B: Partition = ("orders", 1)


class Ends(FakeConsumer):
    """A consumer that knows ends from its fetches, and counts the questions for the others."""

    def __init__(self) -> None:
        super().__init__(Group())
        self.known: dict[Partition, int] = {}
        self.asked: list[Partition] = []
        self.is_silent = False

    def known_end(self, partition: Partition) -> int | None:
        """From the last fetch."""
        return self.known.get(partition)

    def bounds(self, partition: Partition, *, timeout_s: float) -> tuple[int, int]:
        """An answer, unless Kafka is silent."""
        self.asked.append(partition)
        if self.is_silent:
            raise TimeoutError
        return super().bounds(partition, timeout_s=timeout_s)


def lag_of(ends: Ends) -> Lag:
    """The lag over this consumer."""
    return Lag(OrderConsumers({ends: ["orders"]}))


def test_lag_is_the_distance_from_watermark_to_end() -> None:
    """A partition without a known end is left out; an end behind the watermark counts as none."""
    ends = Ends()
    ends.known = {A: 9, ("orders", 2): 3}
    lag = lag_of(ends)
    lag.measure({A: 4, B: 0, ("orders", 2): 5}, paused=())
    assert lag.by_partition == {A: 5, ("orders", 2): 0}
    lag.ask()
    assert ends.asked == []


def test_ends_of_paused_partitions_are_asked_for_one_at_a_time() -> None:
    """A paused partition is not fetched; the newest end counts."""
    ends = Ends()
    ends.known, ends.ends = {A: 9}, {A: 20, B: 7}
    lag = lag_of(ends)
    lag.measure({A: 4, B: 0}, paused=[A, B])
    lag.ask()
    assert len(ends.asked) == 1
    lag.ask()
    lag.ask()
    assert sorted(ends.asked) == [A, B]
    lag.measure({A: 4, B: 0}, paused=())
    assert lag.by_partition == {A: 16, B: 7}


def test_a_silent_kafka_is_asked_again_after_the_next_measure() -> None:
    """Each question blocks for its time-out, so one in vain ends the round."""
    ends = Ends()
    ends.is_silent = True
    lag = lag_of(ends)
    lag.measure({A: 0, B: 0}, paused=[A, B])
    lag.ask()
    lag.ask()
    assert len(ends.asked) == 1
    lag.measure({A: 0, B: 0}, paused=[A, B])
    lag.ask()
    assert len(ends.asked) == 2


def test_revoked_partitions_are_not_asked_for() -> None:
    """Their new owner measures them."""
    ends = Ends()
    lag = lag_of(ends)
    lag.measure({A: 0, B: 0}, paused=[A, B])
    lag.forget([A])
    lag.ask()
    lag.ask()
    assert ends.asked == [B]
