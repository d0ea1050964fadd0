"""The dead-letter topic: the door to confluent_kafka's Consumer for letters.

Partitions are assigned, never subscribed to: reading letters joins no group and holds up no worker. The group
`<group>.replay` only keeps how far letters were replayed. Facts this module rests on, measured on Apache Kafka 4.1
through librdkafka 2.16:

- To a read_committed consumer the end of a partition is where the first open transaction begins, so reading up to it
  never waits for one; a transaction's marker may stand last, so the end is told by an event and not by a record.
- The metadata of a group without members ties a transaction to that group: its offsets are committed with the records.
- While a transaction with offsets of the group is open, `committed` raises a time-out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from journeys.consumer.consumer import order_message
from journeys.dead_letters.letters import Marks
from journeys.dead_letters.plan import Shelf
from journeys.errors import HaltError, SettingsError
from journeys.kafka.config import consumer_config
from journeys.model import OrderMessage
from journeys.settings import Settings

_ANSWER = 10.0
"""Seconds to wait for an answer about offsets."""
_SILENCE = 60.0
"""Seconds without a record after which reading is given up."""
_POLL = 0.5
_AT_ONCE = 500
_NO_OFFSET = -1001


class LetterStore:
    """The letters, and how far they were replayed; to be used in a `with` block, by one thread.

    Raises SettingsError for a setting that librdkafka does not take.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.orders.dead_letter
        self.group = replay_group(settings)
        # The broker looks for transactions out of time every ten seconds.
        self._patience = 2 * settings.kafka.transaction_timeout + 10.0
        logger = logging.getLogger("librdkafka")
        logger.addHandler(logging.NullHandler())  # a command tells what went wrong in one line of its own
        try:
            self._consumer = Consumer(_config(settings), logger=logger)
        except KafkaException as error:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", error.args[0].str())]) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def group_metadata(self) -> object:
        """What ties a transaction to the group of replays."""
        return self._consumer.consumer_group_metadata()

    def shelf(self, partition: int, *, forgotten_before_ms: int) -> Shelf:
        """A partition as it stands now. Raises HaltError.

        Where no position is kept, letters before `forgotten_before_ms` may have been replayed nevertheless.
        """
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=_ANSWER)
        except KafkaException as error:
            raise _halt(error.args[0]) from error
        if bounds is None:
            raise HaltError(f"Kafka does not say where {self._topic}/{partition} begins and ends")
        start, end = bounds
        marks = self.marks(partition) or Marks(watermark=start, forgotten_before_ms=forgotten_before_ms)
        return Shelf(partition=partition, start=start, end=end, marks=marks)

    def marks(self, partition: int) -> Marks | None:
        """Which letters were replayed; None where no position is kept.

        While a replay has a transaction open, this waits for its end. Raises HaltError, UnknownMapError.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                [found] = self._consumer.committed([TopicPartition(self._topic, partition)], timeout=1.0)
            except KafkaException as failure:
                error = failure.args[0]
            else:
                if found.error is None:
                    return None if found.offset == _NO_OFFSET else Marks.committed(found.offset, found.metadata or "")
                error = found.error
            if error.code() != KafkaError._TIMED_OUT and not error.retriable():  # noqa: SLF001 - librdkafka's name
                raise _halt(error)
            if time.monotonic() > deadline:
                raise HaltError(
                    f"Kafka does not say which letters were replayed ({error.str()}): is a replay under way, or was "
                    "one cut off? Try again in a minute"
                )

    def read(self, partition: int, *, start: int, end: int) -> Iterator[OrderMessage]:
        """The committed records from `start` up to and without `end`. Raises HaltError where Kafka falls silent."""
        if start >= end:
            return
        self._consumer.assign([TopicPartition(self._topic, partition, start)])
        heard = time.monotonic()
        while time.monotonic() - heard < _SILENCE:
            for message in self._poll():
                error, offset = message.error(), message.offset()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    _check(error)
                elif offset >= end:
                    return
                elif error is None:
                    yield order_message(message)
                    if offset + 1 >= end:
                        return
                heard = time.monotonic()
        raise HaltError(f"Kafka has sent nothing of {self._topic}/{partition} for {_SILENCE:g} s")

    def _poll(self) -> list[Any]:
        first = self._consumer.poll(_POLL)
        # `consume` with a time-out waits for all of them; with 0 it takes what is there.
        return [] if first is None else [first, *self._consumer.consume(_AT_ONCE, 0)]


def replay_group(settings: Settings) -> str:
    """The group that keeps how far letters were replayed."""
    return f"{settings.kafka.group_id}.replay"


def _config(settings: Settings) -> dict[str, Any]:
    return {
        "fetch.wait.max.ms": 50,  # the end of a partition is told that much later
        "fetch.queue.backoff.ms": 10,  # by default, reading rests for a second whenever enough is prefetched
        **consumer_config(settings, group_id=replay_group(settings)),
        "group.protocol": "classic",  # no group is joined
        "auto.offset.reset": "earliest",  # letters that retention takes meanwhile are gone
        "enable.partition.eof": True,
    }


def _check(error: KafkaError) -> None:
    """Raise for what no waiting mends."""
    refused = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
    if error.code() in refused or error.fatal():
        raise _halt(error)


def _halt(error: KafkaError) -> HaltError:
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return HaltError(f"this client may not read the dead letters (ACL: Read on the topic): {error.str()}")
    if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return HaltError(f"this client may not use the group of replays (ACL: Read on the group): {error.str()}")
    return HaltError(f"the dead letters cannot be read: {error.name()}: {error.str()}")
