"""Real Kafka behaves as the simulated one: the scenarios of `tests/selftest/test_simulated_kafka.py` on a broker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from tests.broker.kafka_tools import create_topics, produce_orders, read_committed
from tests.broker.workers import until
from tests.simulation.kafka.group import Kind
from tests.simulation.scenarios import Lab, cases


class KafkaLab:
    """A real broker, and clients of it."""

    def __init__(self, bootstrap_servers: str, namespace: str, protocol: Kind) -> None:
        self._group: dict[str, Any] = {"group.protocol": protocol}
        if protocol == "classic":
            self._group |= {
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
            }
        self._servers = bootstrap_servers
        self._namespace = namespace
        self._topics = 0
        self._consumers: list[Consumer] = []
        self._producers: list[Producer] = []

    def topic(self, partitions: int) -> str:
        """A new topic, with 50 records in each partition."""
        self._topics += 1
        name = f"{self._namespace}topic-{self._topics}"
        create_topics(self._servers, name, partitions=partitions)
        produce_orders(self._servers, name, [str(number) for number in range(50 * partitions)], partitions=partitions)
        return name

    def consumer(self, group: str, **config: Any) -> Consumer:
        """A consumer."""
        made = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": f"{self._namespace}{group}",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                **self._group,
                **config,
            }
        )
        self._consumers.append(made)
        return made

    def producer(self, name: str, **config: Any) -> Producer:
        """A producer."""
        made = Producer(
            {
                "bootstrap.servers": self._servers,
                "transactional.id": f"{self._namespace}{name}",
                "transaction.timeout.ms": 60_000,
                **config,
                "message.timeout.ms": config.get("transaction.timeout.ms", 60_000),
            }
        )
        self._producers.append(made)
        return made

    def visible(self, topic: str) -> list[bytes | None]:
        """The records that a reader sees."""
        return [read.value for read in read_committed(self._servers, [topic])]

    def until(self, condition: Callable[[], bool]) -> None:
        """Ask until it holds."""
        until(condition, "the scenario to go on")

    def close(self) -> None:
        """Leave all groups."""
        for consumer in self._consumers:
            consumer.close()


@pytest.mark.parametrize(("scenario", "protocol"), cases(of_the_model=False))
def test_kafka_agrees_with_the_simulated_kafka(
    bootstrap_servers: str, namespace: str, scenario: Callable[[Lab], None], protocol: Kind
) -> None:
    """Each scenario ends on the real broker as on the simulated one."""
    with closing(KafkaLab(bootstrap_servers, namespace, protocol)) as lab:
        scenario(lab)
