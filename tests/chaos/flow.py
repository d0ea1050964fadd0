"""Produces orders all the time, during the disasters of a round."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, Message, Producer

_KINDS = (
    *[f"n{events}-order" for events in range(1, 9)] * 4,
    *["x-slow800x1-order", "x-503x1-n4-order", "x-hangupx1-n3-order", "x-truncatedx1-n5-order"],
    *["n0-order", "n101-order", "n230-order", "x-nullevent-n6-order", "x-odd-n8-order", "x-silentx1-n2-order"],
    "x-400-order",  # can only be a dead letter
)
_PARTITIONS = 6
_PAUSE_S = 0.05


class Flow:
    """Produces orders until stopped. A seed gives each its own id."""

    def __init__(self, bootstrap_servers: str, topic: str, seed: int) -> None:
        self._chance = random.Random(seed)
        self._topic = topic
        self._end = threading.Event()
        self._failures: list[KafkaError] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Produce orders while the block runs. At its end, the broker has all of them."""
        thread = threading.Thread(target=self._run, name="orders")
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()
        assert not self._producer.flush(60)
        assert not self._failures

    def _run(self) -> None:
        number = 0
        while not self._end.wait(_PAUSE_S):
            for _ in range(self._chance.randrange(4)):
                number += 1
                order = f"{self._chance.choice(_KINDS)}-{number}"
                self._producer.produce(
                    self._topic, order, key=order, partition=number % _PARTITIONS, on_delivery=self._delivered
                )
            self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failures.append(error)
