"""confluent_kafka's transactional Producer, as far as the worker uses it, on a model of the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from tests.simulation.kafka.cluster import Cluster, Member, RefusedByBrokerError
from tests.simulation.kafka.link import Link
from tests.simulation.kafka.weather import Weather, failure, timed_out

from journeys.model import Record

Delivered = Callable[[KafkaError | None, Any], object]

_FORGETFUL = 10.0
"""Seconds that `send_offsets_to_transaction` takes against a silent broker, whatever its time-out is."""
_ABORTABLE = frozenset(
    {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.OFFSET_METADATA_TOO_LARGE}
)


class _Is(Enum):
    NEW = 1
    READY = 2
    OPEN = 3
    ABORTABLE = 4
    COMMITTING = 5
    BROKEN = 6


@dataclass(slots=True)
class _End:
    """A request to commit that is on its way, and its answer once there is one."""

    answered: bool = False
    refused: int | None = None


class _Sent:
    """confluent_kafka's Message in a delivery report."""

    def __init__(self, record: Record) -> None:
        self._topic = record.topic

    def topic(self) -> str:
        """The topic of the record."""
        return self._topic


class ModelProducer:
    """A producer with a transactional.id. Its callers are threads of the link's process."""

    def __init__(self, cluster: Cluster, link: Link, weather: Weather, config: Mapping[str, Any], **_: object) -> None:
        self._cluster = cluster
        self._link = link
        self._weather = weather
        self._id = config["transactional.id"]
        self._timeout = config.get("transaction.timeout.ms", 10_000) / 1000
        self._epoch = -1
        self._state = _Is.NEW
        self._error: KafkaException | None = None
        self._queue: list[tuple[Record, Delivered | None]] = []
        self._reports: list[tuple[Record, Delivered | None, KafkaError]] = []
        self._reached = False  # the broker knows of this transaction
        self._end: _End | None = None

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> SimpleNamespace:
        """The topics of the cluster, or the named one, as metadata without partitions."""
        self._weather.call("list_topics")
        if not self._link.wait_for_answer(timeout):
            raise timed_out("list_topics")
        names = self._cluster.topic_ids if topic is None else [topic]
        return SimpleNamespace(topics={name: SimpleNamespace(partitions={}) for name in names})

    def init_transactions(self, timeout: float) -> None:
        """Fence older producers of this id, and wait until what they left is settled."""
        self._weather.call("init_transactions")
        deadline = self._link.scheduler.now + timeout
        if self._weather.strikes("retriable"):
            raise failure(KafkaError.COORDINATOR_NOT_AVAILABLE, "coordinator not available", retriable=True)
        while self._link.wait_for_answer(deadline - self._link.scheduler.now):
            epoch = self._cluster.begin_epoch(self._id)
            if epoch is not None:
                self._epoch, self._state = epoch, _Is.READY
                return
            self._link.process.wait(0.02)
        raise timed_out("init_transactions")

    def begin_transaction(self) -> None:
        """Begin; the broker hears of it later."""
        self._weather.call("begin_transaction")
        self._must_be(_Is.READY)
        self._state, self._reached, self._end = _Is.OPEN, False, None

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
        on_delivery: Delivered | None = None,
    ) -> None:
        """Queue a record."""
        self._weather.call("produce")
        if self._state is _Is.ABORTABLE:  # librdkafka does not say here that an abort is required
            raise failure(KafkaError._STATE, "the transaction has failed")
        self._must_be(_Is.OPEN)
        if self._weather.strikes("full"):
            raise BufferError("the queue is full")
        self._queue.append((Record(topic=topic, key=key, value=value, headers=list(headers)), on_delivery))
        if self._weather.strikes("eager") and not self._link.is_cut:
            self._send()

    def poll(self, timeout: float = 0.0) -> int:
        """Serve delivery reports."""
        self._weather.call("producer.poll")
        self._link.process.wait(timeout)
        return self._serve()

    def flush(self, timeout: float) -> int:
        """Send what is queued; how many are left when time is up."""
        self._weather.call("flush")
        self._flush(timeout)
        self._serve()
        return len(self._queue)

    def purge(self) -> None:
        """Drop what is queued."""
        purged = KafkaError(KafkaError._PURGE_QUEUE)
        self._reports += [(record, delivered, purged) for record, delivered in self._queue]
        self._queue.clear()

    def send_offsets_to_transaction(
        self, positions: Sequence[TopicPartition], group_metadata: Member, timeout: float
    ) -> None:
        """Offsets take effect with the transaction."""
        self._weather.call("send_offsets_to_transaction")
        self._must_be(_Is.OPEN)
        self._mishap("send_offsets_to_transaction")
        if not self._link.wait_for_answer(max(timeout, _FORGETFUL)):
            raise timed_out("send_offsets_to_transaction")
        offsets = {(at.topic, at.partition): (at.offset, at.metadata or "") for at in positions}
        self._reached = True  # even by what is refused: its group becomes part of the transaction first
        try:
            self._ask(lambda: self._cluster.send_offsets(self._id, self._epoch, group_metadata, offsets, self._timeout))
        except RefusedByBrokerError as refused:
            raise self._refused(refused.code) from refused
        if self._weather.strikes("answer_lost"):
            self._link.process.wait(timeout)
            raise timed_out("send_offsets_to_transaction")

    def commit_transaction(self, timeout: float) -> None:
        """Commit; to be called again where it times out."""
        self._weather.call("commit_transaction")
        deadline = self._link.scheduler.now + timeout
        if self._state is not _Is.COMMITTING:
            self._must_be(_Is.OPEN)
            self._mishap("commit_transaction")
        if self._end is None:
            self._flush(timeout)
            self._serve()
            if self._state is _Is.ABORTABLE:
                raise self._failed()
            self._must_be(_Is.OPEN, _Is.COMMITTING)
            self._state = _Is.COMMITTING
            if self._queue or not self._request_end(deadline):
                raise timed_out("commit_transaction")
        self._await_end(deadline)

    def abort_transaction(self, timeout: float) -> None:
        """Abort; to be called again where it times out."""
        self._weather.call("abort_transaction")
        if self._state is _Is.COMMITTING:
            raise failure(KafkaError._CONFLICT, "a commit is under way")
        self._must_be(_Is.OPEN, _Is.ABORTABLE)
        self.purge()
        self._serve()
        if self._weather.strikes("retriable"):
            raise failure(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "coordinator loads", retriable=True)
        if not self._link.wait_for_answer(timeout):
            raise timed_out("abort_transaction")
        if self._reached:
            try:
                self._ask(lambda: self._cluster.end(self._id, self._epoch, commit=False))
            except RefusedByBrokerError as refused:
                raise self._refused(refused.code) from refused
        self._state, self._error = _Is.READY, None

    # -- requests

    def _ask(self, request: Callable[[], object]) -> None:
        """Ask again while the last transaction is being completed, as librdkafka does by itself."""
        while True:
            try:
                request()
            except RefusedByBrokerError as refused:
                if refused.code != KafkaError.CONCURRENT_TRANSACTIONS:
                    raise
                self._link.process.wait(0.02)
            else:
                return

    def _flush(self, timeout: float) -> None:
        deadline = self._link.scheduler.now + timeout
        while self._queue and self._state in (_Is.OPEN, _Is.COMMITTING):
            if not self._link.wait_for_answer(deadline - self._link.scheduler.now):
                return
            if not self._send():
                self._link.process.wait(0.02)

    def _send(self) -> bool:
        """Send what is queued; False where the broker is not ready for it."""
        try:
            records = [record for record, _ in self._queue]
            refused = self._cluster.write(self._id, self._epoch, records, self._timeout)
        except RefusedByBrokerError as error:
            if error.code == KafkaError.CONCURRENT_TRANSACTIONS:
                return False
            self._error = self._refused(error.code)
            return True
        self._reached = True
        if refused:
            self._fail(failure(KafkaError.MSG_SIZE_TOO_LARGE, "a message was too large", abort=True))
            too_large = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "message too large")
            self._reports += [(*self._queue[index], too_large) for index in sorted(refused)]
        self._queue.clear()
        return True

    def _request_end(self, deadline: float) -> bool:
        """Ask for the commit; False where the request cannot leave. It may be slow, and so may its answer."""
        scheduler = self._link.scheduler
        if not self._reached:
            self._end = _End(answered=True)
            return True
        if self._weather.strikes("answer_lost"):
            self._end = end = _End()
            late = 15.0 * self._weather.random()
            if self._weather.random() < 0.5:  # the request is late
                scheduler.after(late, lambda: self._arrive(end))
            else:  # the answer is
                self._arrive(end)
                end.answered = False
                scheduler.after(late, lambda: setattr(end, "answered", True))
            return True
        if not self._link.wait_for_answer(deadline - scheduler.now):
            return False
        self._end = _End()
        self._arrive(self._end)
        return True

    def _arrive(self, end: _End) -> None:
        """The request is at the broker, whatever has become of who sent it."""
        try:
            self._cluster.end(self._id, self._epoch, commit=True)
        except RefusedByBrokerError as refused:
            end.refused = refused.code
        end.answered = True

    def _await_end(self, deadline: float) -> None:
        assert self._end is not None
        while not self._end.answered or self._link.is_cut:
            left = deadline - self._link.scheduler.now
            if left <= 0:
                raise timed_out("commit_transaction")
            self._link.process.wait(min(left, 0.1))
        if self._end.refused is not None:
            raise self._refused(self._end.refused)
        self._state, self._end = _Is.READY, None

    # -- errors

    def _mishap(self, name: str) -> None:
        weather = self._weather
        if weather.strikes("retriable"):
            raise failure(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, f"{name}: coordinator loads", retriable=True)
        if weather.strikes("abortable"):
            raise self._fail(failure(KafkaError.REQUEST_TIMED_OUT, f"{name}: gave up", abort=True))
        if weather.strikes("fatal"):
            if name == "commit_transaction" and not self._queue and self._reached and weather.random() < 0.5:
                self._arrive(_End())
            raise self._break(failure(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, f"{name}: out of order", fatal=True))

    def _must_be(self, *states: _Is) -> None:
        if self._state in states:
            return
        if self._state in (_Is.ABORTABLE, _Is.BROKEN):
            raise self._failed()
        raise failure(KafkaError._STATE, f"not possible while the producer is {self._state.name}")

    def _failed(self) -> KafkaException:
        assert self._error is not None
        return self._error

    def _refused(self, code: int) -> KafkaException:
        if code in _ABORTABLE:
            return self._fail(failure(code, "refused", abort=True))
        if code in (KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED):
            code = KafkaError._FENCED
        return self._break(failure(code, "refused", fatal=True))

    def _fail(self, error: KafkaException) -> KafkaException:
        self._state, self._error = _Is.ABORTABLE, error
        return error

    def _break(self, error: KafkaException) -> KafkaException:
        self._state, self._error = _Is.BROKEN, error
        return error

    def _serve(self) -> int:
        reports, self._reports = self._reports, []
        for record, delivered, error in reports:
            if delivered is not None:
                delivered(error, _Sent(record))
        return len(reports)
