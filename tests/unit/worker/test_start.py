"""Where a group without offsets starts, decided by workers on the simulated Kafka, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal

import pytest
from tests.simulation.kafka.cluster import Cluster, Member, Watcher
from tests.simulation.kafka.consumer import ModelConsumer
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.log import Transaction
from tests.simulation.kafka.producer import ModelProducer
from tests.simulation.kafka.weather import CALM, Rates, Weather
from tests.simulation.scheduler import Process, Scheduler

from journeys.errors import HaltError
from journeys.kafka.reader import PartitionReader, outsider_metadata
from journeys.producer.publisher import Publisher
from journeys.settings import load
from journeys.worker.start import GroupStart, decide_start

ORDERS = "orders.completed"
OTHERS = "orders.imported"
TRANSACTION_S = 10.0


class Starts(Watcher):
    """Counts the transactions that start the group."""

    count = 0

    def decided(self, transaction: Transaction) -> None:
        """One is committed, with offsets or without."""
        self.count += bool(transaction.offsets)


class Lab:
    """A simulated broker with two order topics of two partitions, and workers that decide."""

    def __init__(self, seed: int = 0, rates: Rates = CALM) -> None:
        self.scheduler = Scheduler()
        self.random = Random(seed)
        self.starts = Starts()
        self.cluster = Cluster(self.scheduler, self.random.random, watcher=self.starts)
        self.rates = rates
        for topic in (ORDERS, OTHERS):
            self.cluster.create(topic, 2)
        self.place(3)

    def place(self, count: int) -> None:
        """Put so many orders into each partition."""
        for log in self.cluster.logs.values():
            for _ in range(count):
                log.append(None, b"order", [], self.cluster.wall_ms())

    @property
    def offsets(self) -> dict[tuple[str, int], int]:
        """The committed offsets of the group, by partition."""
        return {place: committed.offset for place, committed in self.cluster.group("journeys").offsets.items()}

    def worker(self, start: Literal["latest", "error"], topics: Sequence[str]) -> Callable[[], list[str]]:
        """Let a worker decide, from now on. The function returns what its call returned or raises what it raised."""
        process = Process(self.scheduler, "worker", self.random.random)
        link, weather = Link(process), Weather(process, self.random.random, lambda: self.rates)
        decided: list[list[str]] = []

        def decide() -> None:
            def consumer(config: Mapping[str, Any], **_: object) -> Any:
                return ModelConsumer(self.cluster, link, weather, config)

            def producer(config: Mapping[str, Any], **_: object) -> Any:
                return ModelProducer(self.cluster, link, weather, config)

            def bounded(call: Callable[[], object], _left: Callable[[], float]) -> None:
                call()

            with PartitionReader(
                {"group.id": "journeys"},
                consumer=consumer,
                monotonic=lambda: self.scheduler.now,
            ) as reader:
                publisher = Publisher(
                    {"transactional.id": "journeys-start", "transaction.timeout.ms": int(1000 * TRANSACTION_S)},
                    clock=lambda: self.scheduler.now,
                    producer=producer,
                    bounded=bounded,
                )
                started = GroupStart(
                    reader=reader,
                    metadata=outsider_metadata("journeys", consumer=consumer),
                    publisher=publisher,
                    transaction_s=TRANSACTION_S,
                    chance=self.random.random,
                    sleep=process.wait,
                )
                decided.append(started.decide(topics, start=start))

        thread = process.thread(decide)

        def outcome() -> list[str]:
            assert thread.done
            process.kill()
            if thread.error is not None:
                raise thread.error
            return decided[0]

        return outcome

    def decide(self, start: Literal["latest", "error"], *topics: str) -> list[str]:
        """Let one worker decide, and wait for it."""
        outcome = self.worker(start, topics)
        self.scheduler.run(self.scheduler.now + 600.0)
        return outcome()


def test_earliest_asks_kafka_for_nothing() -> None:
    """The default costs no request; each partition starts at its beginning."""
    assert decide_start(load(None, {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": "nowhere.invalid:1"})) == []


def test_error_halts_without_any_offset_in_a_topic() -> None:
    """The error names each such topic. One offset in a topic is enough: its other partitions may be new."""
    lab = Lab()
    with pytest.raises(HaltError, match=f"no offset in {ORDERS}, {OTHERS}, and JOURNEYS_ORDERS__START is error"):
        lab.decide("error", ORDERS, OTHERS)
    lab.cluster.commit_offset("journeys", (OTHERS, 1), 2)
    with pytest.raises(HaltError, match=f"no offset in {ORDERS}, and"):
        lab.decide("error", ORDERS, OTHERS)
    lab.cluster.commit_offset("journeys", (ORDERS, 0), 0)
    assert lab.decide("error", ORDERS, OTHERS) == []


def test_latest_commits_the_ends_once() -> None:
    """It commits the ends of all partitions of a topic, and never again. A topic with an offset keeps what it has."""
    lab = Lab()
    lab.cluster.commit_offset("journeys", (OTHERS, 1), 2)
    assert lab.decide("latest", ORDERS, OTHERS) == [ORDERS]
    started = {(ORDERS, 0): 3, (ORDERS, 1): 3, (OTHERS, 1): 2}
    assert lab.offsets == started
    lab.place(1)
    lab.cluster.grow(ORDERS, 3)
    assert lab.decide("latest", ORDERS, OTHERS) == []
    assert lab.offsets == started


@pytest.mark.parametrize("rates", [CALM, Rates(retriable=0.1, abortable=0.2, fatal=0.2, answer_lost=0.2)])
def test_one_of_several_workers_starts_the_group(rates: Rates) -> None:
    """Three workers start together while orders come in. One of them commits the ends, once, and all go on."""
    for seed in range(60):
        lab = Lab(seed, rates)
        outcomes: list[Callable[[], list[str]]] = []
        for _ in range(3):
            when = lab.random.uniform(0.0, 0.05)
            lab.scheduler.at(when, lambda: outcomes.append(lab.worker("latest", [ORDERS])))  # noqa: B023 - run below
            lab.scheduler.at(when, lambda: lab.place(1))  # noqa: B023 - run below
        lab.scheduler.run(600.0)
        assert lab.starts.count == 1, seed
        assert sum(bool(outcome()) for outcome in outcomes) <= 1, seed  # none: the answer of the commit was lost
        assert len(lab.offsets) == 2, seed


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_group_with_members_is_not_started_at_the_end(protocol: str) -> None:
    """A member may be reading the topic from its beginning already. The error says what to do."""
    lab = Lab()
    process = Process(lab.scheduler, "member", lab.random.random)
    weather = Weather(process, lab.random.random, lambda: CALM)
    member = ModelConsumer(lab.cluster, Link(process), weather, {"group.id": "journeys", "group.protocol": protocol})
    member.subscribe([ORDERS])
    lab.scheduler.run(1.0)
    with pytest.raises(HaltError, match=r"no offset in orders.completed, .*UNKNOWN_MEMBER_ID.*: stop all workers once"):
        lab.decide("latest", ORDERS)
    assert lab.offsets == {}
    process.kill()


def test_silent_kafka_halts() -> None:
    """No producer within half a minute: the supervisor starts the worker again."""
    with pytest.raises(HaltError, match="Kafka does not answer"):
        Lab(rates=Rates(retriable=1.0)).decide("latest", ORDERS)


def test_open_transaction_of_the_group_is_awaited() -> None:
    """Its offsets decide once it has ended. One that does not end is named."""
    lab = Lab()
    member = Member(group="journeys", member_id="", generation=-1)
    epoch = lab.cluster.begin_epoch("journeys-1")
    assert epoch is not None
    lab.cluster.send_offsets("journeys-1", epoch, member, {(ORDERS, 0): (1, "")}, 20.0)
    lab.scheduler.after(15.0, lambda: lab.cluster.end("journeys-1", epoch, commit=True))
    assert lab.decide("latest", ORDERS) == []
    assert lab.offsets == {(ORDERS, 0): 1}
    lab.cluster.send_offsets("journeys-1", epoch, member, {(OTHERS, 0): (1, "")}, 1000.0)
    with pytest.raises(HaltError, match=f"does not say whether the group has an offset in {OTHERS}"):
        lab.decide("latest", OTHERS)
