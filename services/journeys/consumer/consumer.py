"""The consumer of orders: the only door to confluent_kafka's Consumer.

The one Kafka thread calls everything here. Callbacks of a rebalance run inside `poll` and `close`, on the calling
thread. This module rests on facts that were measured on Apache Kafka 4.1 through librdkafka 2.16:

- `consume(0)` serves no callbacks; `poll(0)` does, and serves a pending rebalance before any prefetched message.
- An open transaction delays the offset fetch of its partition. That delays the whole call, and the delivery of every
  partition that was assigned without an offset. So this module asks for each partition separately, and assigns it with
  an explicit offset.
- A pause outlives the assignment it was made in: a partition that comes back is still paused until it is resumed.
- Reading committed offsets as `read_uncommitted` returns stale ones at once; the default, `read_committed`, waits.
- The end of a partition is reported at each time that all is read. Its offset is beyond transaction markers and
  records of aborted transactions, which no message shows. It comes after the messages below it, also after a resume.
- A refused join is reported by `poll` alone, as a message with an error and no topic. `memberid()` is set even then, so
  only the assignment callback says that the group took this member in.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from journeys.errors import HaltError, SettingsError
from journeys.kafka_errors import ANY_TOPIC, LOGGER, described, is_fatal
from journeys.model import TIMES_MS, OrderMessage, Position

Partition = tuple[str, int]
"""(topic, partition)"""

UNREADABLE_HEADERS = "headers-unreadable"
"""Stands for the headers of a record if one of their names is not UTF-8."""
_NO_OFFSET = -1001

_HALTS = {
    KafkaError._AUTO_OFFSET_RESET: (  # noqa: SLF001 - librdkafka's own name for its error
        "an offset that this group committed is no longer in its topic (retention?); starting over by itself would"
        " lose or republish orders. Choose where to go on with kafka-consumer-groups --reset-offsets"
    ),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this client may not read {topic} (ACL: Read on the topic)",
    KafkaError.GROUP_AUTHORIZATION_FAILED: (
        "this client may not join the consumer group {group} (ACL: Read on the group)"
    ),
    KafkaError.OFFSET_OUT_OF_RANGE: "a committed offset is out of its topic's range",
    KafkaError.INVALID_GROUP_ID: (
        "the brokers refuse the name of the consumer group {group} (JOURNEYS_KAFKA__GROUP_ID)"
    ),
    KafkaError.INVALID_SESSION_TIMEOUT: (
        "the brokers refuse session.timeout.ms of JOURNEYS_KAFKA__CONFIG (group.min.session.timeout.ms and"
        " group.max.session.timeout.ms bound it)"
    ),
    KafkaError.UNSUPPORTED_VERSION: "the brokers do not know this group protocol (JOURNEYS_KAFKA__GROUP_PROTOCOL)",
}
"""The errors that do not pass, with what each means. `topic` is the topic of the error, or all topics of the group."""
_NO_BROKER = "no broker"
"""Stands for the brokers among topics: no topic has a name with a space."""
_ASK_AGAIN_S = 2.0
"""The time between two questions whether an obstacle is gone."""
_OBSTACLES = {
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "consumers of another kind hold the group: stop them, or use another"
    " JOURNEYS_KAFKA__GROUP_ID",
    KafkaError.GROUP_MAX_SIZE_REACHED: "the group is full (group.max.size of the brokers)",
}
"""The errors that pass after an operator acts, with the meaning of each."""


class Listener(Protocol):
    """Follows the rebalances of a group. `poll` calls it, on the Kafka thread, and raises what it raises.

    The group waits for each method, so it must return within seconds.
    """

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Call `start` or `hold` for each of these partitions before returning."""

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Commit finished orders of these partitions: on return they belong to another member."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Commit nothing for these partitions: they already belong to another member."""


class OrderConsumer:
    """A consumer of topics with order messages, in one consumer group. It joins with `subscribe`.

    `consumer` makes librdkafka's. Raises SettingsError if librdkafka refuses a setting.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Sequence[str],
        *,
        consumer: Callable[..., Consumer] = Consumer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            self._consumer = consumer({**config, "error_cb": self._noted}, logger=LOGGER)
        except KafkaException as error:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", error.args[0].str())]) from None
        self.group = str(config.get("group.id", ""))
        """The name of the consumer group."""
        self.joined = False
        """Whether the group took this member in. Until then it refuses offsets: poll first."""
        self._obstacles: dict[str | None, str] = {None: "not a member of the group yet"}
        self._broker_error: KafkaError | None = None
        """The newest error of a connection; None once a broker has answered since."""
        self._named_code: int | None = None
        """The code of the error that the obstacle of the brokers names."""
        self._ends: dict[Partition, int] = {}
        self._monotonic = monotonic
        self._asked_at = 0.0
        self._topics = list(topics)
        self._closed = False

    def subscribe(self, listener: Listener) -> None:
        """Join the group, in the background; never blocks. `poll` calls `listener` from then on."""

        def on_assign(_: Consumer, partitions: list[TopicPartition]) -> None:
            if not self._closed:
                self.joined = True
                self._obstacles.clear()
                listener.assigned(_keys(partitions))

        def on_revoke(_: Consumer, partitions: list[TopicPartition]) -> None:
            if not self._closed:
                listener.revoked(_keys(partitions))
            self._give_up(partitions)

        def on_lost(_: Consumer, partitions: list[TopicPartition]) -> None:
            if not self._closed:
                self.joined = False
                self._obstacles[None] = "it fell out of the group, and joins it again"
                listener.lost(_keys(partitions))
            self._give_up(partitions)

        self._consumer.subscribe(self._topics, on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)

    def poll(self, timeout_s: float, limit: int) -> list[OrderMessage]:
        """Serve callbacks, wait up to `timeout_s` for a message, then take prefetched messages without waiting.

        Returns at most `limit` messages; `limit` is at least 1. Raises HaltError for an error that does not pass.
        """
        if self._obstacles or self._broker_error is not None:
            self._ask_again()
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        # `consume` with a time-out waits for all `limit` messages; with 0 it only takes prefetched ones.
        more = self._consumer.consume(limit - 1, 0) if limit > 1 else []
        return [read for message in (first, *more) if (read := self._read(message)) is not None]

    def take_ends(self) -> dict[Partition, int]:
        """The ends of partitions that `poll` reached since the last call: nothing below them is left to read.

        Take them after the messages of the same `poll`.
        """
        ends, self._ends = self._ends, {}
        return ends

    @property
    def obstacle(self) -> str | None:
        """Why this member reads nothing, or not all of its topics; None while it can. A text for people."""
        return "; ".join(self._obstacles.values()) or None

    def group_metadata(self) -> object:
        """This member's id and generation in the group. Take them anew for each transaction. Never blocks."""
        return self._consumer.consumer_group_metadata()

    def committed(self, partition: Partition, *, timeout_s: float) -> tuple[int, str] | None:
        """The group's (offset, metadata) of a partition, or None if nothing was ever committed.

        Blocks for up to `timeout_s`. Raises TimeoutError if Kafka does not answer in time, as while an open
        transaction may still move the offset. Raises HaltError for an error that does not pass.
        """
        try:
            [found] = self._consumer.committed([TopicPartition(*partition)], timeout=timeout_s)
        except KafkaException as error:
            raise self._timeout_or_halt(error.args[0]) from error
        if found.error is not None:
            raise self._timeout_or_halt(found.error)
        return None if found.offset == _NO_OFFSET else (found.offset, found.metadata or "")

    def bounds(self, partition: Partition, *, timeout_s: float) -> tuple[int, int]:
        """The first offset of a partition and the one after its last. Blocks and raises as `committed`."""
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=timeout_s)
        except KafkaException as error:
            raise self._timeout_or_halt(error.args[0]) from error
        if bounds is None:
            raise TimeoutError(f"no answer about the offsets of {partition}")
        return bounds

    def known_end(self, partition: Partition) -> int | None:
        """The offset after the last one, as of the last fetch; None before the first fetch. Never blocks."""
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return None
        return bounds[1] if bounds[1] >= 0 else None

    def start(self, offsets: Mapping[Partition, int]) -> None:
        """Take over newly assigned partitions, and read each from its offset. Never blocks."""
        started = [TopicPartition(*at, offset) for at, offset in offsets.items()]
        self._consumer.incremental_assign(started)
        self._consumer.resume(started)  # a pause of an earlier assignment is still in force

    def hold(self, partitions: Iterable[Partition]) -> None:
        """Take over newly assigned partitions without reading them yet; `release` them later. Never blocks."""
        held = [TopicPartition(*partition, OFFSET_BEGINNING) for partition in partitions]
        if held:
            self._consumer.incremental_assign(held)
            self._consumer.pause(held)

    def release(self, partition: Partition, offset: int) -> None:
        """Start reading a held partition at `offset`. Raises TimeoutError if librdkafka cannot seek there yet."""
        try:
            self._consumer.seek(TopicPartition(*partition, offset))
            self._consumer.resume([TopicPartition(*partition)])
        except KafkaException as error:
            raise self._timeout_or_halt(error.args[0]) from error

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop reading. librdkafka discards prefetched messages, so resuming takes about a second. Never blocks."""
        self._consumer.pause([TopicPartition(*partition) for partition in partitions])

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Read paused partitions again, from where they were. Never blocks."""
        self._consumer.resume([TopicPartition(*partition) for partition in partitions])

    def close(self) -> None:
        """Leave the group. May block for minutes behind a pending join: call it on a thread that may wait."""
        self._closed = True
        self._consumer.close()

    def _noted(self, error: KafkaError) -> None:
        """Note an error of a connection. They come to nothing, unless no broker is left."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own name for its error
            self._broker_error = error
        else:
            self._name(self._broker_error or error)

    def _name(self, error: KafkaError) -> None:
        self._named_code = error.code()
        self._obstacles[_NO_BROKER] = f"no broker answers ({described(error)})"

    def _ask_again(self) -> None:
        """Remove the obstacles that are gone: librdkafka reports that brokers and topics went, not that they returned.

        If no broker answers, name the newest error of a connection, unless one of its kind is named: their texts differ
        by milliseconds. librdkafka says that all brokers are down at most each 10 s (measured on librdkafka 2.16).
        Blocks for half a second at most, every two seconds.
        """
        topics = [name for name in self._obstacles if name is not None and name != _NO_BROKER]
        in_doubt = self._broker_error is not None or _NO_BROKER in self._obstacles
        if not (topics or in_doubt) or self._monotonic() - self._asked_at < _ASK_AGAIN_S:
            return
        self._asked_at = self._monotonic()
        try:
            known = self._consumer.list_topics(None if topics else ANY_TOPIC, timeout=0.5).topics
        except KafkaException:
            newest = self._broker_error
            if newest is not None and (_NO_BROKER not in self._obstacles or newest.code() != self._named_code):
                self._name(newest)
            return
        self._broker_error = None
        self._obstacles.pop(_NO_BROKER, None)
        for name in topics:
            if name in known and known[name].error is None:
                del self._obstacles[name]

    def _read(self, message: Any) -> OrderMessage | None:
        """The order message; None for an error, which is an obstacle until the next assignment or message.

        None also for the end of a partition, which is kept for `take_ends`.
        """
        if (error := message.error()) is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - as above
            self._ends[message.topic(), message.partition()] = message.offset()
            self._obstacles.pop(message.topic(), None)
            return None
        if error is not None:
            self._check(error, message.topic())
            self._obstacles[message.topic()] = _obstacle(error)
            return None
        if self._obstacles:
            self._obstacles.pop(message.topic(), None)
        return order_message(message)

    def _check(self, error: KafkaError, topic: str | None = None) -> None:
        """Raise HaltError for an error that does not pass."""
        if (why := _HALTS.get(error.code())) is not None:
            why = why.format(group=self.group, topic=topic or ", ".join(self._topics))
            raise HaltError(f"{why} ({described(error)})")
        if is_fatal(error):
            raise HaltError(f"the consumer cannot go on: {described(error)}")

    def _timeout_or_halt(self, error: KafkaError) -> Exception:
        try:
            self._check(error)
        except HaltError as halt:
            return halt
        return TimeoutError(described(error))

    def _give_up(self, partitions: list[TopicPartition]) -> None:
        # A revoke can name partitions that were never assigned (confluent-kafka-python #1551).
        with contextlib.suppress(KafkaException):
            self._consumer.incremental_unassign(partitions)


def _keys(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [(partition.topic, partition.partition) for partition in partitions]


def order_message(message: Any) -> OrderMessage:
    """The order message of a confluent_kafka message that has no error."""
    kind, timestamp = message.timestamp()
    try:
        headers = tuple(message.headers() or ())
    except (SystemError, UnicodeDecodeError):
        # The client fails on a name that is not UTF-8. A second call returns names that are null.
        headers = ((UNREADABLE_HEADERS, None),)
    return OrderMessage(
        position=Position(topic=message.topic(), partition=message.partition(), offset=message.offset()),
        key=message.key(),
        value=message.value(),
        headers=headers,
        timestamp_ms=timestamp if kind and timestamp in TIMES_MS else None,
    )


def _obstacle(error: KafkaError) -> str:
    why = _OBSTACLES.get(error.code())
    return described(error) if why is None else f"{why} ({described(error)})"
