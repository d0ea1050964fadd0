"""An auditor that reads along during the run, as a downstream consumer would, and sees whole journeys only.

What can be demanded of it? A commit is atomic, its delivery is not: the broker writes the marker that makes a
transaction visible into one partition after the other, and a consumer reads one partition before another. So a reader
may well see an event before its summary. But:

1. Whoever sees a committed record of a journey at a time t knows that its transaction was decided before t, since no
   marker is written before the decision. And it was decided only after every record of it had been appended.
2. So all records of the journey lie below the end offsets (uncommitted ones, open transactions included) that each
   partition has when it is asked after t.
3. Whoever has read a partition with read_committed up to such an end has passed, or been given, each record below it:
   the reader gets no further than the last stable offset, so each transaction below it was settled by then.

Hence: note which journeys have been seen, then ask for the end offsets, then read until all of them are reached. Now
each journey that was noted must be whole: one summary, and each of the events it speaks of once; or one dead letter and
nothing else. This is done over and over while disasters go on. Anything seen twice is wrong at once.
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
"""A pass that takes longer is held up by a transaction that nobody ends."""

Place = tuple[str, int]


class Companion:
    """Reads topics in a thread of its own; `settled` counts the orders that have come to an end."""

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
        """Orders that have a summary or a dead letter."""
        return sum(account.ends > 0 for account in list(self._books.accounts.values()))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read along while the block runs; what was seen until its end is checked too."""
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
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
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
        """The end offsets now; waits for a broker that is down."""
        deadline = time.monotonic() + _STUCK_S
        while True:
            try:
                return end_offsets(self._admin, self._topics)
            except (KafkaException, KeyError):
                if time.monotonic() > deadline:
                    raise
