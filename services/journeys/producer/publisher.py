"""Where events go: the only door to confluent_kafka's transactional Producer.

One call publishes records and the offsets of the orders behind them, all or nothing. It never polls the consumer:
a rejoin inside an open transaction would let stale offsets through, since the broker checks membership, not
ownership (measured on Apache Kafka 4.1). What each call of librdkafka may answer, and what is done:

    retriable, or timed out     the same call again; a commit that timed out is never aborted
    a record is not taken, or
    requires abort              abort; the caller polls, drops what is no longer its own and sends the rest again
    fatal, or out of time       outcome unknown: `rebuild`, read the committed offsets, then decide

`send_offsets_to_transaction` does not keep its time-out: against a broker that had fallen silent, a call with 0.5 s
returned after 10 (measured; librdkafka 2.16). So it runs in a thread of its own, which is left behind with its producer
when time is up. The other calls return in time.

A producer whose last outcome is unknown is never used again. librdkafka has no KIP-890 yet (confluentinc/librdkafka
#5423), so an EndTxn that was delayed on the way could otherwise end a later transaction.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from journeys.errors import HaltError, SettingsError
from journeys.model import GroupOffsets, OffsetCommit, Record

_SLICE = 0.5
"""Seconds that one call into librdkafka may take before its deadline is looked at again."""
_ANY_TOPIC = "__consumer_offsets"
"""Asked about only to be connected: the answer is small, also where it says that we may not see it."""
_CAREFUL_BYTES = 64 * 1024
"""Records that travel together after a refusal that named several: no topic takes less than this."""

_Delivered: TypeAlias = Callable[[KafkaError | None, Message], None]
Watch: TypeAlias = Callable[[Callable[[], object], Callable[[], float]], None]
"""Runs a call that may not keep its time-out, while there are seconds left. Raises what the call raises, or
TimeoutError where it is left behind."""

_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001 - librdkafka's own names
"""What an abort does to the records that were not refused."""
_NOT_ALLOWED = frozenset(
    {
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)


class Outcome(StrEnum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a transaction ended, why, and which batches (by index) hold a record that Kafka will never take."""

    outcome: Outcome
    reason: str | None = None
    fenced: bool = False
    oversized: frozenset[int] = frozenset()


class _Care(IntEnum):
    """What is done to learn which record Kafka refuses. It costs time, so each step is for after an abort."""

    NONE = 0
    """Nothing: the transaction tells that there is one."""
    REPORTS = 1
    """Each record is asked about."""
    APART = 2
    """And few travel together: Kafka refuses all that travelled with one."""


@dataclass(slots=True)
class _Refusals:
    """Collects the delivery errors of one transaction."""

    oversized: set[int] = field(default_factory=set)
    records: int = 0
    first: KafkaError | None = None

    def of(self, batch: int) -> _Delivered:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is None or error.code() in _PURGED:
                return
            self.first = self.first or error
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self.records += 1
                self.oversized.add(batch)

        return delivered


def in_thread(call: Callable[[], object], left: Callable[[], float]) -> None:
    """Run a call in a thread of its own, as `Watch` says."""
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed on to whoever waits
            ended.put(error)
        else:
            ended.put(None)

    threading.Thread(target=run, name="kafka-transaction", daemon=True).start()
    while True:
        try:
            error = ended.get(timeout=max(0.1, min(_SLICE, left())))
        except queue.Empty:
            if left() <= 0:
                raise TimeoutError("a call did not return in time") from None
        else:
            break
    if error is not None:
        raise error


class Publisher:
    """A transactional producer. All methods but `hurry` belong to the Kafka thread.

    `producer` makes librdkafka's; `watch` runs those of its calls that do not keep their time-out.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        producer: Callable[..., Producer] = Producer,
        watch: Watch = in_thread,
    ) -> None:
        self._config = dict(config)
        self._clock = clock
        self._make = producer
        self._watch = watch
        self._producer: Producer | None = None
        self._latest = math.inf
        self._care = _Care.NONE

    def hurry(self, seconds: float) -> None:
        """From now on, whatever is under way or comes has so many seconds left. May be called from any thread."""
        self._latest = self._clock() + seconds

    def rebuild(self, *, timeout: float) -> None:
        """Start anew with the same transactional.id: older producers are fenced, their transaction is settled.

        Raises TimeoutError when Kafka does not answer, HaltError where it refuses for good, SettingsError for a
        setting that librdkafka does not take.
        """
        self.discard()
        deadline = self._clock() + timeout
        try:
            producer = self._make(self._config, logger=logging.getLogger("librdkafka"))
        except KafkaException as wrong:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", wrong.args[0].str())]) from None
        while True:
            try:
                self._begin(producer, deadline)
            except KafkaException as failure:
                error = failure.args[0]
                if error.code() in _NOT_ALLOWED or (error.fatal() and not error.retriable()):
                    raise HaltError(f"Kafka refuses this producer: {error.name()}: {error.str()}") from failure
                if self._clock() >= min(deadline, self._latest):
                    raise TimeoutError(f"no transactional producer: {error.name()}: {error.str()}") from failure
            else:
                self._producer = producer
                return

    def _begin(self, producer: Producer, deadline: float) -> None:
        # Not connected yet, librdkafka looks for its coordinator only half a second later. And what it connects to
        # first is a bootstrap server, which it leaves for the same broker by its proper name: the second answer comes
        # from there. (Without this a start took 0.06 or 0.5 s more, as it happened; measured with benchmarks.start.)
        for _ in range(2):
            producer.list_topics(_ANY_TOPIC, self._slice(deadline))
        producer.init_transactions(self._slice(deadline))

    def _slice(self, deadline: float) -> float:
        return max(0.1, min(_SLICE, deadline - self._clock()))

    def discard(self) -> None:
        """Drop the producer and what it has not sent; never raises."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):
                producer.purge()
                producer.poll(0)

    def publish(
        self,
        batches: Sequence[Iterable[Record]],
        groups: Sequence[GroupOffsets],
        *,
        timeout: float,
    ) -> Result:
        """One transaction over all batches and the offsets of all groups, within `timeout` seconds.

        A record that Kafka refuses is not known at once. The next transaction asks about each; where that names
        several, since records are refused by the batch they travel in, the one after it sends less together.
        """
        if self._producer is None:
            return Result(outcome=Outcome.UNKNOWN, reason="no producer")
        refusals = _Refusals()
        until = self._clock() + timeout
        transaction = _Transaction(
            self._producer,
            lambda: min(until, self._latest) - self._clock(),
            watch=self._watch,
            care=self._care,
        )
        try:
            self._producer.begin_transaction()
            transaction.produce(batches, refusals)
            for group in groups:
                transaction.send_offsets(group.offsets, group.metadata())
            transaction.commit()
        except _AbortRequired as abort:
            return self._abort(transaction, abort.error, refusals)
        except KafkaException as failure:
            return _unknown(failure.args[0])
        except TimeoutError as late:
            return Result(outcome=Outcome.UNKNOWN, reason=str(late))
        self._care = _Care.NONE
        return Result(outcome=Outcome.COMMITTED)

    def _abort(self, transaction: _Transaction, error: KafkaError, refusals: _Refusals) -> Result:
        try:
            transaction.abort()
        except _AbortRequired as again:
            return _unknown(again.error)
        except KafkaException as failure:
            return _unknown(failure.args[0])
        except TimeoutError as late:
            return Result(outcome=Outcome.UNKNOWN, reason=str(late))
        error = refusals.first or error  # what follows a refusal only says that something came before
        if error.code() in _NOT_ALLOWED:
            raise HaltError(f"this client may not publish: {error.name()}: {error.str()}")
        is_certain = self._care is _Care.APART or refusals.records <= 1
        self._care = max(self._care, _Care.REPORTS if is_certain else _Care.APART)
        return Result(
            outcome=Outcome.ABORTED,
            reason=f"{error.name()}: {error.str()}",
            oversized=frozenset(refusals.oversized if is_certain else ()),
        )


class _AbortRequired(Exception):  # noqa: N818 - a signal within this module, never seen outside
    def __init__(self, error: KafkaError) -> None:
        self.error = error


class _Transaction:
    """The calls of one transaction, each resumed until it answers or no time is left."""

    def __init__(self, producer: Producer, left: Callable[[], float], *, watch: Watch, care: _Care) -> None:
        self._producer = producer
        self._left = left
        self._watch = watch
        self._care = care

    def produce(self, batches: Sequence[Iterable[Record]], refusals: _Refusals) -> None:
        together = 0
        for index, batch in enumerate(batches):
            delivered = refusals.of(index) if self._care else None
            for record in batch:
                if self._care is _Care.APART:
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
                    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:  # the client's own limit
                        refusals.oversized.add(index)
                    raise _AbortRequired(error) from failure

    def _produce(self, record: Record, delivered: _Delivered | None) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic, record.value, record.key, headers=record.headers, on_delivery=delivered
                )
            except BufferError:  # librdkafka's queue is full: let it send
                self._check_time("produce")
                self._producer.poll(0.1)
            else:
                return

    def _deliver(self) -> None:
        while self._producer.flush(max(0.1, min(_SLICE, self._left()))):
            self._check_time("flush")

    def send_offsets(self, offsets: Sequence[OffsetCommit], group_metadata: object) -> None:
        positions = [
            TopicPartition(commit.topic, commit.partition, commit.offset, commit.metadata) for commit in offsets
        ]

        name = "send_offsets_to_transaction"

        def send(_: float) -> None:
            try:
                self._watch(
                    lambda: self._producer.send_offsets_to_transaction(positions, group_metadata, _SLICE), self._left
                )
            except TimeoutError:
                raise _late(name) from None

        self._call(name, send)

    def commit(self) -> None:
        self._call("commit_transaction", self._producer.commit_transaction)

    def abort(self) -> None:
        self._call("abort_transaction", self._producer.abort_transaction)

    def _call(self, name: str, call: Callable[[float], None]) -> None:
        while True:
            try:
                return call(max(0.1, min(_SLICE, self._left())))
            except KafkaException as failure:
                error = failure.args[0]
                if not (error.retriable() or error.code() == KafkaError._TIMED_OUT):  # noqa: SLF001
                    raise self._sorted(failure) from failure
                self._check_time(name)

    def _check_time(self, name: str) -> None:
        if self._left() <= 0:
            raise _late(name)

    @staticmethod
    def _sorted(failure: KafkaException) -> Exception:
        error = failure.args[0]
        return _AbortRequired(error) if error.txn_requires_abort() else failure


def _late(name: str) -> TimeoutError:
    return TimeoutError(f"{name} did not answer in time")


def _unknown(error: KafkaError) -> Result:
    return Result(
        outcome=Outcome.UNKNOWN,
        reason=f"{error.name()}: {error.str()}",
        fenced=error.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED),  # noqa: SLF001
    )
