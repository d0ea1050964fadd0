"""Publishes events: the only door to confluent_kafka's transactional Producer.

One call publishes records together with the offsets of their orders, all or nothing. It never polls the consumer. The
broker checks group membership, not ownership, so a rejoin inside an open transaction would let stale offsets through
(measured on Apache Kafka 4.1). Each call into librdkafka may end in four ways:

    success                     the next call
    retriable, or timed out     the same call again; a commit that timed out is never aborted
    a record was refused, or
    requires abort              abort; the caller polls, drops lost partitions and sends the rest again
    fatal, or out of time       the outcome is unknown: `rebuild`, then read the committed offsets

`send_offsets_to_transaction` does not keep its time-out: against a silent broker, a call with 0.5 s returned after 10 s
(measured; librdkafka 2.16). So it runs in a thread of its own. If it is late, the thread is left behind together with
its producer. The other calls return in time.

librdkafka names a topic that this client may not write to only in its log (measured): Kafka refuses the topic before
any record is sent, so no record has a report.

A producer with an unknown outcome is never used again. librdkafka has no KIP-890 yet (confluentinc/librdkafka #5423),
so a delayed EndTxn could otherwise end a later transaction.
"""

from __future__ import annotations

import contextlib
import math
import queue
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from journeys.errors import HaltError, SettingsError
from journeys.kafka_errors import ANY_TOPIC, LOGGER, described, is_fatal
from journeys.model import GroupOffsets, OffsetCommit, Position, Record
from journeys.producer.replicas import shortage
from journeys.producer.statistics import ProducerStatistics

_SLICE_S = 0.5
"""The most seconds of one call into librdkafka. After each, the deadline is checked."""
_INTERNAL = ("__consumer_offsets", "__transaction_state")
"""Kafka's own topics that a transaction writes to. A client may not see them."""
_CAREFUL_BYTES = 64 * 1024
"""The most bytes in one batch while the refused record is searched. Every topic accepts this size."""

_Delivered: TypeAlias = Callable[[KafkaError | None, Message], None]
BoundedCall: TypeAlias = Callable[[Callable[[], object], Callable[[], float]], None]
"""Runs a call that may not keep its time-out, while `left()` is positive (seconds). Raises the call's exception, or
TimeoutError if it leaves the call behind."""

_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001 - librdkafka's own names
"""The delivery errors of the other records of an aborted transaction."""
_MISSING = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001
)
"""The errors of a record whose topic does not exist."""
_UNEXPLAINED = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._STATE})  # noqa: SLF001 - as above
"""The errors of a transaction that name no topic, although a missing one may be the cause."""
_NOT_ALLOWED = frozenset(
    {
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)
"""The missing rights without which nothing can be published. For the right to write to one topic, the caller waits."""


_FORBIDDEN = re.compile(r'Failed to add partition "([^"]+)" \[\d+\] to transaction: Broker: Topic authorization failed')
"""The line of librdkafka's log that names a topic."""


class Outcome(StrEnum):
    """The end of a transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a transaction, and its reason."""

    outcome: Outcome
    reason: str | None = None
    fenced: bool = False
    """Whether another producer with the same transactional.id took over, or this one timed out."""
    oversized: frozenset[int] = frozenset()
    """The batches, by index, with a record that is too large for its topic."""
    missing_topic: str | None = None
    """The topic that does not exist, if that is the reason of an abort and the topic is known."""
    forbidden_topic: str | None = None
    """The topic that this client may not write to, if that is the reason of an abort and the topic is known."""
    positions: Mapping[int, Position] = field(default_factory=dict)
    """Where Kafka keeps the record of a batch, by the batch's index; for batches of one record, if Kafka said so."""


class _Care(IntEnum):
    """How the publisher finds the record that Kafka refuses. Each step costs time, so it follows an abort."""

    NONE = 0
    """No reports of errors. The transaction only fails."""
    REPORTS = 1
    """A delivery report for each record."""
    APART = 2
    """Reports, and small batches: Kafka refuses all records of a batch with a refused one."""


@dataclass(slots=True)
class _Reports:
    """Collects the delivery reports of one transaction."""

    positions: dict[int, Position] = field(default_factory=dict)
    oversized: set[int] = field(default_factory=set)
    records: int = 0
    first: KafkaError | None = None
    topic: str | None = None
    """The topic of the record that failed first."""

    def of(self, batch: int, *, with_errors: bool) -> _Delivered:
        """The callback of a record. Only if all records have one `with_errors`, an error blames the right record."""

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._delivered(batch, message)
            elif with_errors and error.code() not in _PURGED:
                self.refused(error, message.topic())
                if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    self.records += 1
                    self.oversized.add(batch)

        return delivered

    def refused(self, error: KafkaError, topic: str | None) -> None:
        """Note the error of a record; the errors after the first one only say that the transaction failed before."""
        if self.first is None:
            self.first, self.topic = error, topic

    def _delivered(self, batch: int, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is not None and partition is not None and offset is not None and offset >= 0:
            self.positions[batch] = Position(topic=topic, partition=partition, offset=offset)

    def topic_of(self, codes: Collection[int]) -> str | None:
        """The topic of the record that failed first, if it failed with one of these errors."""
        return self.topic if self.first is not None and self.first.code() in codes else None


class _ProducerLog:
    """Passes librdkafka's log lines on, and finds in them the topic that this client may not write to."""

    def __init__(self) -> None:
        self.forbidden_topic: str | None = None

    def log(self, level: int, text: str, *fields: str) -> None:
        """As `logging.Logger.log`; confluent_kafka calls it during the producer's calls."""
        LOGGER.log(level, text, *fields)
        if found := _FORBIDDEN.search(text % fields):
            self.forbidden_topic = found[1]


def in_thread(call: Callable[[], object], left: Callable[[], float]) -> None:
    """Run a call in a thread of its own; a `BoundedCall`."""
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the waiting caller raises it
            ended.put(error)
        else:
            ended.put(None)

    threading.Thread(target=run, name="kafka-transaction", daemon=True).start()
    while True:
        try:
            error = ended.get(timeout=max(0.1, min(_SLICE_S, left())))
        except queue.Empty:
            if left() <= 0:
                raise TimeoutError("a call did not return in time") from None
        else:
            break
    if error is not None:
        raise error


class Publisher:
    """A transactional producer. All methods except `hurry` belong to the Kafka thread.

    `topics` are the ones that it writes to. If Kafka gives no producer, their replicas may be the cause. `producer`
    creates librdkafka's producer. `bounded` runs the calls that do not keep their time-out.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        topics: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
        producer: Callable[..., Producer] = Producer,
        bounded: BoundedCall = in_thread,
    ) -> None:
        self._config = dict(config)
        self._topics = topics
        self._clock = clock
        self._make = producer
        self._bounded = bounded
        self._producer: Producer | None = None
        self._latest = math.inf
        self._care = _Care.NONE
        self._log = _ProducerLog()
        self.statistics = ProducerStatistics()
        """Its reports, if the configuration has a `statistics.interval.ms`."""

    def hurry(self, seconds: float) -> None:
        """Give all current and later calls at most `seconds` from now. Any thread may call it."""
        self._latest = self._clock() + seconds

    def rebuild(self, *, timeout_s: float) -> None:
        """Start a new producer with the same transactional.id. Kafka fences the old one and ends its transaction.

        Blocks for at most `timeout_s`. Raises TimeoutError if Kafka does not answer, HaltError if it refuses the
        producer for good, SettingsError if librdkafka refuses a property.
        """
        self.discard()
        deadline = self._clock() + timeout_s
        try:
            producer = self._make({**self._config, "stats_cb": self.statistics.report}, logger=self._log)
        except KafkaException as wrong:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", wrong.args[0].str())]) from None
        while True:
            try:
                self._begin(producer, deadline)
            except KafkaException as failure:
                error = failure.args[0]
                if error.code() in _NOT_ALLOWED or (is_fatal(error) and not error.retriable()):
                    name = f"transactional id {self._config.get('transactional.id')}"
                    raise HaltError(f"Kafka refuses this producer ({name}): {described(error)}") from failure
                if self._clock() >= min(deadline, self._latest):
                    why = f"no transactional producer: {described(error)}"
                    raise TimeoutError("; ".join((*self._shortages(producer), why))) from failure
            else:
                self._producer = producer
                return

    def _begin(self, producer: Producer, deadline: float) -> None:
        # An unconnected librdkafka looks for its coordinator only after half a second. It first connects to a bootstrap
        # server, and then to the same broker by its advertised name; the second answer comes from there. Without these
        # requests a start took 0.06 or 0.5 s longer, by chance (measured with benchmarks.start).
        for _ in range(2):
            producer.list_topics(ANY_TOPIC, self._slice(deadline))
        producer.init_transactions(self._slice(deadline))

    def _shortages(self, producer: Producer) -> Iterator[str]:
        """Yield the topics that may take no records, and what that means.

        Then librdkafka repeats its requests without a word until the transaction times out. Kafka cannot end that
        transaction either, and refuses a new producer with CONCURRENT_TRANSACTIONS (measured on Apache Kafka 4.1).
        """
        if not self._topics:
            return
        try:
            known = producer.list_topics(timeout=_SLICE_S).topics
        except KafkaException:
            return
        names = (topic for topic in (*self._topics, *_INTERNAL) if topic in known)
        found = [lack for topic in names if (lack := shortage(topic, known[topic].partitions.values())) is not None]
        if found:
            yield from found
            yield "Kafka takes no records without a leader, or with fewer replicas in sync than min.insync.replicas"

    def _slice(self, deadline: float) -> float:
        return max(0.1, min(_SLICE_S, deadline - self._clock()))

    def discard(self) -> None:
        """Drop the producer and its unsent records, at once. Never raises.

        `Producer.close` would abort an open transaction, and wait for a silent broker without end (measured;
        confluent-kafka 2.16.1).
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):
                producer.purge()
                producer.poll(0)
            self.statistics.discarded()

    def serve(self) -> None:
        """Take the reports and log lines of librdkafka, which wait for a call between transactions. Never blocks."""
        if self._producer is not None:
            self._producer.poll(0)

    def publish(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        *,
        timeout_s: float,
    ) -> Result:
        """Publish all batches and the offsets of all groups in one transaction, within `timeout_s`.

        A batch of one record is a retry or a dead letter: its position is reported, because people look for it there.
        If Kafka refuses a record, the first abort does not say which. The next transaction asks for a report on each
        record. Kafka refuses whole batches, so the reports may name several records; the transaction after that uses
        small batches. Raises HaltError if this client may not publish.
        """
        if self._producer is None:
            return Result(outcome=Outcome.UNKNOWN, reason="no producer")
        reports = _Reports()
        self._log.forbidden_topic = None
        until = self._clock() + timeout_s
        transaction = _Transaction(
            self._producer, lambda: min(until, self._latest) - self._clock(), self._bounded, self._care
        )
        try:
            try:
                self._producer.begin_transaction()
                transaction.produce(batches, reports)
                for group in groups:
                    transaction.send_offsets(group.offsets, group.metadata())
                transaction.commit()
            except _AbortRequired as abort:
                transaction.abort()
                is_named = reports.first is not None or self._log.forbidden_topic is not None
                if not is_named and abort.args[0].code() in _UNEXPLAINED:
                    self._find_missing(self._producer, {record.topic for batch in batches for record in batch}, reports)
                return self._aborted(abort.args[0], reports)
        except KafkaException as failure:
            return _unknown(failure.args[0])
        except TimeoutError as late:
            return Result(outcome=Outcome.UNKNOWN, reason=str(late))
        self._care = _Care.NONE
        return Result(outcome=Outcome.COMMITTED, positions=reports.positions)

    def _find_missing(self, producer: Producer, topics: Collection[str], reports: _Reports) -> None:
        """Note a topic of the transaction that Kafka no longer has: neither its error nor a report names it.

        Such an error comes if this producer has written to the topic before (measured on librdkafka 2.16).
        """
        with contextlib.suppress(KafkaException):
            known = producer.list_topics(timeout=_SLICE_S).topics
            for topic in sorted(set(topics) - known.keys())[:1]:
                reports.refused(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), topic)

    def _aborted(self, error: KafkaError, reports: _Reports) -> Result:
        if self._log.forbidden_topic is not None:
            reports.refused(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), self._log.forbidden_topic)
        error = reports.first or error
        if error.code() in _NOT_ALLOWED:
            raise HaltError(f"this client may not publish or commit: {described(error)}")
        is_certain = self._care is _Care.APART or reports.records <= 1
        self._care = max(self._care, _Care.REPORTS if is_certain else _Care.APART)
        return Result(
            outcome=Outcome.ABORTED,
            reason=described(error),
            oversized=frozenset(reports.oversized if is_certain else ()),
            missing_topic=reports.topic_of(_MISSING),
            forbidden_topic=reports.topic_of({KafkaError.TOPIC_AUTHORIZATION_FAILED}),
        )


class _AbortRequired(KafkaException):
    """The transaction must be aborted; the reason is the KafkaError in `args`."""


@dataclass(frozen=True, slots=True)
class _Transaction:
    """The calls of one transaction. Each is repeated until it answers or the time is over."""

    producer: Producer
    left: Callable[[], float]
    bounded: BoundedCall
    care: _Care

    def produce(self, batches: Sequence[Sequence[Record]], reports: _Reports) -> None:
        together = 0
        for index, batch in enumerate(batches):
            is_wanted = self.care or len(batch) == 1
            delivered = reports.of(index, with_errors=bool(self.care)) if is_wanted else None
            for record in batch:
                if self.care is _Care.APART:
                    together += record.size
                    if together > _CAREFUL_BYTES:
                        self._deliver()
                        together = record.size
                try:
                    self._produce(record, delivered)
                except KafkaException as failure:
                    # Nothing is committed yet, so giving up is safe. `_STATE` comes once the transaction has failed
                    # behind our back; librdkafka does not say of it that an abort is required.
                    error = failure.args[0]
                    if error.code() != KafkaError._STATE:  # noqa: SLF001 - the delivery report has the reason
                        reports.refused(error, record.topic)
                    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:  # the client's own limit
                        reports.oversized.add(index)
                    raise _AbortRequired(error) from failure

    def _produce(self, record: Record, delivered: _Delivered | None) -> None:
        while True:
            try:
                self.producer.produce(
                    record.topic, record.value, record.key, headers=record.headers, on_delivery=delivered
                )
            except BufferError:  # librdkafka's queue is full: let it send
                self._check_time("produce")
                self.producer.poll(0.1)
            else:
                return

    def _deliver(self) -> None:
        while self.producer.flush(max(0.1, min(_SLICE_S, self.left()))):
            self._check_time("flush")

    def send_offsets(self, offsets: Sequence[OffsetCommit], group_metadata: object) -> None:
        positions = [
            TopicPartition(commit.topic, commit.partition, commit.offset, commit.metadata) for commit in offsets
        ]
        name = "send_offsets_to_transaction"

        def send(_: float) -> None:
            try:
                self.bounded(
                    lambda: self.producer.send_offsets_to_transaction(positions, group_metadata, _SLICE_S), self.left
                )
            except TimeoutError:
                raise _late(name) from None

        self._call(name, send)

    def commit(self) -> None:
        self._call("commit_transaction", self.producer.commit_transaction)

    def abort(self) -> None:
        self._call("abort_transaction", self.producer.abort_transaction)

    def _call(self, name: str, call: Callable[[float], None]) -> None:
        while True:
            try:
                return call(max(0.1, min(_SLICE_S, self.left())))
            except KafkaException as failure:
                error = failure.args[0]
                if not (error.retriable() or error.code() == KafkaError._TIMED_OUT):  # noqa: SLF001
                    if error.txn_requires_abort():
                        raise _AbortRequired(error) from failure
                    raise
                self._check_time(name)

    def _check_time(self, name: str) -> None:
        if self.left() <= 0:
            raise _late(name)


def _late(name: str) -> TimeoutError:
    return TimeoutError(f"{name} did not answer in time")


def _unknown(error: KafkaError) -> Result:
    return Result(
        outcome=Outcome.UNKNOWN,
        reason=described(error),
        fenced=error.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED),  # noqa: SLF001
    )
