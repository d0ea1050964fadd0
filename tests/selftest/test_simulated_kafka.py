"""The model of Kafka behaves as Kafka does: the scenarios that `tests/broker/test_model.py` runs on a real one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from tests.simulation.kafka.cluster import Cluster, visible
from tests.simulation.kafka.consumer import ModelConsumer
from tests.simulation.kafka.group import Kind
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.producer import ModelProducer
from tests.simulation.kafka.weather import CALM, Weather
from tests.simulation.scenarios import Lab, cases
from tests.simulation.scheduler import Process, Scheduler

_PATIENCE = 120.0


class ModelLab:
    """A model of a broker, and one process with all the clients."""

    def __init__(self, seed: int, protocol: Kind) -> None:
        self._protocol = protocol
        self.scheduler = Scheduler()
        random = Random(seed)
        self.process = Process(self.scheduler, "lab", random.random)
        self._cluster = Cluster(self.scheduler, random.random)
        self._link = Link(self.process)
        self._weather = Weather(self.process, random.random, lambda: CALM)
        self._topics = 0

    def topic(self, partitions: int) -> str:
        """A new topic, with 50 records in each partition."""
        self._topics += 1
        name = f"topic-{self._topics}"
        self._cluster.create(name, partitions)
        for place in self._cluster.partitions([name]):
            for number in range(50):
                self._cluster.logs[place].append(None, b"%d" % number, [], self._cluster.wall_ms())
        return name

    def consumer(self, group: str, **config: Any) -> ModelConsumer:
        """A consumer."""
        settings = {"group.id": group, "group.protocol": self._protocol, **config}
        return ModelConsumer(self._cluster, self._link, self._weather, settings)

    def producer(self, name: str, **config: Any) -> ModelProducer:
        """A producer."""
        return ModelProducer(self._cluster, self._link, self._weather, {"transactional.id": name, **config})

    def visible(self, topic: str) -> list[bytes | None]:
        """The records that a reader sees."""
        return [entry.value for entry in visible(self._cluster.logs[at] for at in self._cluster.partitions([topic]))]

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until it holds."""
        deadline = self.scheduler.now + _PATIENCE
        while not condition():
            assert self.scheduler.now < deadline, "it does not come"
            self.process.wait(0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("scenario", "protocol"), cases(of_the_model=True))
def test_the_simulated_kafka_agrees_with_kafka(scenario: Callable[[Lab], None], protocol: Kind, seed: int) -> None:
    """The outcome of each scenario does not depend on the delays."""
    lab = ModelLab(seed, protocol)
    thread = lab.process.thread(lambda: scenario(lab))
    lab.scheduler.run(10 * _PATIENCE, lambda: thread.done)
    lab.process.kill()
    if thread.error is not None:
        raise thread.error
    assert thread.done
