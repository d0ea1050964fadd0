"""Reading partitions without joining a group: assigned, never subscribed to, so no worker is held up.

Facts this module rests on, measured on Apache Kafka 4.1 through librdkafka 2.16:

- For a read_committed consumer a partition ends where the first open transaction begins. Reading up to that end never
  waits for a transaction.
- A transaction's marker may be the last offset, so the end is reported by an event and not by a record.
- The metadata of a group without members ties a transaction to that group: offsets are committed with the records.
- While a transaction with offsets of the group is open, `committed` raises a time-out.
- A broker that has just become the coordinator of a group may answer `committed` with NOT_COORDINATOR. No error of that
  call says of itself that it is retriable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from journeys.consumer.consumer import Partition, order_message
from journeys.errors import HaltError, SettingsError
from journeys.kafka_errors import LOGGER, described, is_fatal
from journeys.model import OrderMessage

_REPLY_S = 10.0
"""How long to wait for a reply about offsets."""
_SILENCE_S = 60.0
"""How long to wait for the next record before reading is given up."""
_POLL_S = 0.5
_ASK_AGAIN_S = 0.1
"""The time between two questions for a committed offset."""
_AT_ONCE = 500
"""Records taken from the consumer's queue in one call."""
_NO_OFFSET = -1001

_CONFIG: Mapping[str, Any] = {
    "group.protocol": "classic",  # the group is never joined; its name keeps offsets, as `committed` returns them
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",  # if retention deletes the start meanwhile, read from what is left
    "enable.partition.eof": True,
}


class PartitionReader(AbstractContextManager["PartitionReader"]):
    """Reads committed records of partitions; to be used in a `with` block, by one thread.

    `config` is librdkafka's: servers, security and the `group.id` for `committed` and `group_metadata`. `consumer`
    makes librdkafka's. Raises SettingsError for a setting that librdkafka does not take.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        consumer: Callable[..., Consumer] = Consumer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = str(config["group.id"])
        self._monotonic = monotonic
        prompt = {
            "fetch.wait.max.ms": 50,  # the end of a partition is reported that much later
            "fetch.queue.backoff.ms": 10,  # the default pauses reading for a second whenever enough is prefetched
        }
        try:
            self._consumer = consumer({**prompt, **config, **_CONFIG}, logger=LOGGER)
        except KafkaException as error:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", error.args[0].str())]) from None

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the consumer; it has no group to leave."""
        self._consumer.close()

    def group_metadata(self) -> object:
        """The metadata that ties a transaction to the group."""
        return self._consumer.consumer_group_metadata()

    def partitions(self, topic: str) -> list[Partition]:
        """The partitions of a topic; none if it does not exist. Raises HaltError."""
        try:
            found = self._consumer.list_topics(topic, timeout=_REPLY_S).topics[topic]
        except KafkaException as error:
            raise _halt(topic, error.args[0], self._group) from error
        return [(topic, number) for number in sorted(found.partitions)]

    def bounds(self, topic: str, partition: int) -> range:
        """The offsets of a partition, up to its last committed record. Raises HaltError."""
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_REPLY_S)
        except KafkaException as error:
            raise _halt(topic, error.args[0], self._group) from error
        if bounds is None:
            raise HaltError(f"Kafka does not say where {topic}/{partition} begins and ends")
        return range(*bounds)

    def offsets_at(self, places: Iterable[Partition], at_ms: int) -> dict[Partition, int]:
        """The offset of the first record of each partition that is as young as this time, milliseconds since the epoch.

        A partition whose records are all older is left out. Raises HaltError.
        """
        asked = [TopicPartition(*place, at_ms) for place in places]
        try:
            found = self._consumer.offsets_for_times(asked, timeout=_REPLY_S) if asked else []
        except KafkaException as error:
            raise _halt("Kafka", error.args[0], self._group) from error
        for each in found:
            if each.error is not None:
                raise _halt(each.topic, each.error, self._group)
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def committed(self, topic: str, partition: int, *, patience_s: float) -> tuple[int, str] | None:
        """Offset and metadata that the group last committed; None if it has committed nothing.

        While a transaction with offsets of the group is open, this blocks until it ends, `patience_s` at most. It waits
        as long for a coordinator. Raises TimeoutError after that, HaltError for an error that does not pass.
        """
        deadline = self._monotonic() + patience_s
        while True:
            try:
                [found] = self._consumer.committed([TopicPartition(topic, partition)], timeout=1.0)
            except KafkaException as failure:
                error = failure.args[0]
            else:
                if found.error is None:
                    return None if found.offset == _NO_OFFSET else (found.offset, found.metadata or "")
                error = found.error
            _check(topic, error, self._group)
            # librdkafka reports here why it finds no coordinator for the group, and to `committed` only a time-out.
            refusal = self._consumer.poll(_ASK_AGAIN_S)
            if refusal is not None and (why := refusal.error()) is not None:
                _check(topic, why, self._group)
            if self._monotonic() > deadline:
                raise TimeoutError(described(error))

    def read(
        self, wanted: Mapping[Partition, range], *, enough: Callable[[OrderMessage], bool] = lambda _: False
    ) -> Iterator[OrderMessage]:
        """The committed records at these offsets, in order within each partition.

        A record for which `enough` is true is the last one of its partition. Raises HaltError if Kafka refuses them, or
        sends nothing for a minute.
        """
        left = {place: offsets.stop for place, offsets in wanted.items() if offsets}
        self._consumer.assign([TopicPartition(*place, wanted[place].start) for place in left])
        last_s = self._monotonic()
        while left:
            for message in self._poll():
                last_s = self._monotonic()
                place, offset, error = (message.topic(), message.partition()), message.offset(), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    _check(message.topic() or "Kafka", error, self._group)
                    continue
                if place not in left:
                    continue
                is_last = False
                if error is None:
                    if offset < left[place]:
                        read = order_message(message)
                        is_last = enough(read)
                        yield read
                    offset += 1
                if is_last or offset >= left[place]:
                    del left[place]
            if left and self._monotonic() - last_s >= _SILENCE_S:
                names = ", ".join(f"{topic}/{partition}" for topic, partition in left)
                raise HaltError(f"Kafka has sent nothing of {names} for {_SILENCE_S:g} s")

    def follow(self, starts: Mapping[Partition, int]) -> Iterator[OrderMessage | None]:
        """The committed records from these offsets on, as they come, without end.

        Gives None whenever none came for half a second. Raises HaltError if Kafka refuses them.
        """
        self._consumer.assign([TopicPartition(*place, start) for place, start in starts.items()])
        while True:
            read = None
            for message in self._poll():
                if (error := message.error()) is None:
                    read = order_message(message)
                    yield read
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
                    _check(message.topic() or "Kafka", error, self._group)
            if read is None:
                yield None

    def _poll(self) -> list[Any]:
        first = self._consumer.poll(_POLL_S)
        # `consume` with a time-out waits until it has all of them; with 0 it takes what is there.
        return [] if first is None else [first, *self._consumer.consume(_AT_ONCE, 0)]


def outsider_metadata(group: str, *, consumer: Callable[..., Consumer] = Consumer) -> object:
    """The metadata of a consumer with a member id that never joins the group. Connects to no broker; never blocks.

    Kafka refuses its offsets while the group has members. It takes the offsets of a consumer without a member id, as
    `PartitionReader.group_metadata` has none, at any time (measured on Apache Kafka 4.1, with both group protocols).
    """
    config = {"group.id": group, "group.protocol": "consumer", "log_level": 3}  # else it logs that it has no broker
    outsider = consumer(config)
    metadata = outsider.consumer_group_metadata()
    outsider.close()
    return metadata


def _check(topic: str, error: KafkaError, group: str) -> None:
    """Raise HaltError for an error that does not pass by itself."""
    refused = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
    if error.code() in refused or is_fatal(error):
        raise _halt(topic, error, group)


def _halt(topic: str, error: KafkaError, group: str) -> HaltError:
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return HaltError(f"this client may not read {topic} (ACL: Read on the topic): {error.str()}")
    if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return HaltError(
            f"this client may not use the group {group} (ACL: Read or Describe on the group): {error.str()}"
        )
    return HaltError(f"{topic} cannot be read: {described(error)}")
