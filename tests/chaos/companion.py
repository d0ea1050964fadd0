"""An auditor that reads along during a round, like a downstream consumer. It must see only whole journeys.

A commit is atomic, but its delivery is not. The broker writes the commit marker into one partition after the other, and
a consumer reads one partition before another. So a consumer may see an event before its summary. But:

1. A consumer sees a committed record at a time t. Its transaction was decided before t, because the broker writes no
   marker before the decision. All records of the transaction were appended before the decision.
2. So all records of the journey are below the end offsets that the partitions have after t. These are the ends with
   open transactions included.
3. A read_committed consumer that has reached such an end has received or passed each record below it. It never reads
   beyond the last stable offset, so each transaction below it has ended.

So the auditor notes the journeys that it has seen, asks for the end offsets, and reads up to all of them. Each noted
journey must then be whole: one summary and each of its events once, or one dead letter and nothing else. The auditor
repeats this during the disasters. A record that it sees twice is a fault at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.broker.kafka_tools import end_offsets, read_of
from tests.chaos.books import Books

_STUCK_S = 60.0
"""Seconds for one pass. A longer one waits for a transaction that never ends."""

Place = tuple[str, int]


class Companion:
    """Reads topics in a thread of its own. `settled` counts the orders with a result."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str], books: Books) -> None:
        self._topics = topics
        self._books = books
        self._config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap_servers,
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
        self._admin = AdminClient(self._config)
        self._reached: dict[Place, int] = {}
        self._unchecked: set[str] = set()
        self._end = threading.Event()
        self._failure: BaseException | None = None
        self.wrongs: list[str] = []
        self.passes = 0

    @property
    def settled(self) -> int:
        """The number of orders with a summary or a dead letter."""
        return sum(account.ends > 0 for account in list(self._books.accounts.values()))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read along while the block runs. At its end, check the last records too."""
        thread = threading.Thread(target=self._run, name="companion")
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        consumer = Consumer(
            {
                **self._config,
                "group.id": "companion",  # never joined: partitions are assigned by hand
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )
        try:
            ends = self._ends()
            consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in ends])
            is_last = False
            while not is_last:
                is_last = self._end.is_set()
                self._pass(consumer)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._failure = error
        finally:
            consumer.close()

    def _pass(self, consumer: Consumer) -> None:
        seen, self._unchecked = self._unchecked, set()
        left = self._ends()
        deadline = time.monotonic() + _STUCK_S
        while left:
            assert time.monotonic() < deadline, f"read_committed does not get to {left}: a transaction is left open"
            self._read(consumer)
            left = {place: end for place, end in left.items() if self._reached.get(place, 0) < end}
        self.wrongs += self._books.wrongs(seen)
        self.passes += 1

    def _read(self, consumer: Consumer) -> None:
        for message in consumer.consume(500, timeout=0.5):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            error = message.error()
            if error is None:
                self._unchecked.add(self._books.enter(read_of(message)))
                offset = (offset or 0) + 1
            elif error.code() != KafkaError._PARTITION_EOF:
                continue  # a broker that is down; librdkafka comes back to it
            if topic is not None and partition is not None and offset is not None:
                self._reached[topic, partition] = max(offset, self._reached.get((topic, partition), 0))

    def _ends(self) -> dict[Place, int]:
        """The present end offsets. Waits while the broker is down."""
        deadline = time.monotonic() + _STUCK_S
        while True:
            try:
                return end_offsets(self._admin, self._topics)
            except (KafkaException, KeyError):
                if time.monotonic() > deadline:
                    raise
