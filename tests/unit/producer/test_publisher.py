"""The effect of each answer of librdkafka within a transaction: go on, abort, in doubt, or no use at all."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.support.librdkafka import FATAL_PRODUCE, FATAL_TRANSACTION

from journeys.errors import HaltError, SettingsError
from journeys.model import GroupOffsets, OffsetCommit, Position, Record
from journeys.producer.publisher import Outcome, Publisher, Result, in_thread
from journeys.producer.statistics import Queued

Delivered = Callable[[KafkaError | None, Any], None]

RECORD = Record(topic="journey.ads", key=b"A-1", value=b"v", headers=[])
GROUP = GroupOffsets(offsets=(OffsetCommit(topic="orders", partition=0, offset=1, metadata=""),), metadata=object)
LATE = KafkaError(KafkaError._TIMED_OUT, "timed out")
BUSY = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "loading", retriable=True)
GONE = KafkaError(KafkaError.ILLEGAL_GENERATION, "the generation is gone", txn_requires_abort=True)
FENCED = KafkaError(KafkaError._FENCED, "fenced", fatal=True)
REFUSED = KafkaError(KafkaError._INCONSISTENT, "1 message failed", txn_requires_abort=True)
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "too large", txn_requires_abort=True)
NO_TOPIC = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed", txn_requires_abort=True)
FAILED_BEFORE_COMMIT = KafkaError(KafkaError._STATE, "Erroneous state", txn_requires_abort=True)
NO_GROUP = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "not allowed", txn_requires_abort=True)
FAILED_BEFORE = KafkaError(KafkaError._STATE, "the transaction has failed")
PURGED = KafkaError(KafkaError._PURGE_QUEUE, "purged")


class Librdkafka:
    """A producer that answers each call as the test says, then well. `calls` are their names, in order."""

    def __init__(self) -> None:
        self.answers: dict[str, deque[KafkaError | BaseException]] = defaultdict(deque)
        self.calls: list[str] = []
        self.now = 0.0
        self.reports: deque[KafkaError | None] = deque()
        self.first_offset = 0
        self.logger: Any = None
        self.config: Mapping[str, Any] = {}
        self.statistics: deque[str] = deque()
        self.complaints: list[str] = []
        self.topics: dict[str, Any] = {}
        self._pending: list[Delivered] = []

    def say(self, name: str, *answers: KafkaError | BaseException) -> None:
        """The next answers of one call."""
        self.answers[name].extend(answers)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.now += 1.0
        if self.answers[name]:
            answer = self.answers[name].popleft()
            raise KafkaException(answer) if isinstance(answer, KafkaError) else answer

    def list_topics(self, _topic: str | None = None, timeout: float = -1.0) -> Any:
        """As scripted."""
        assert timeout > 0
        self._call("list_topics")
        return SimpleNamespace(topics=self.topics)

    def init_transactions(self, _: float) -> None:
        """As scripted."""
        self._call("init_transactions")

    def begin_transaction(self) -> None:
        """As scripted."""
        self._call("begin_transaction")

    def produce(self, *_: object, on_delivery: Delivered | None, **__: object) -> None:
        """As scripted; a report that is asked for comes with the abort or the commit."""
        if on_delivery is not None:
            self._pending.append(on_delivery)
        self._call("produce")

    def send_offsets_to_transaction(self, *_: object) -> None:
        """As scripted."""
        self._call("send_offsets")

    def commit_transaction(self, _: float) -> None:
        """As scripted; librdkafka writes its log meanwhile."""
        while self.complaints:
            self.logger.log(logging.ERROR, "%s [%s] %s", "ADDPARTS", "rdkafka#producer-1", self.complaints.pop())
        self._report()
        self._call("commit")

    def abort_transaction(self, _: float) -> None:
        """As scripted."""
        self._report()
        self._call("abort")

    def poll(self, _: float) -> int:
        """Serve the reports about the producer itself."""
        self._call("poll")
        while self.statistics:
            self.config["stats_cb"](self.statistics.popleft())
        return 0

    def flush(self, _: float) -> int:
        """As scripted: an answer means that something is left."""
        try:
            self._call("flush")
        except TimeoutError:
            return 1
        return 0

    def purge(self) -> None:
        """Dropped."""
        self._call("purge")

    def _report(self) -> None:
        for offset, delivered in enumerate(self._pending, start=self.first_offset):
            delivered(self.reports.popleft() if self.reports else None, Delivery(offset))
        self._pending.clear()


def at_once(call: Callable[[], object], _left: Callable[[], float]) -> None:
    """Watch nothing."""
    call()


class Delivery:
    """A record in a delivery report, at an offset of partition 2."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        """Its topic."""
        return RECORD.topic

    def partition(self) -> int:
        """Always the same."""
        return 2

    def offset(self) -> int:
        """Negative if the broker did not say it."""
        return self._offset


class Bench:
    """A publisher with a producer."""

    def __init__(self, bounded: Callable[..., None] = at_once) -> None:
        self.kafka = Librdkafka()
        self.publisher = Publisher(
            {"transactional.id": "orders-1"},
            topics=["journey.ads", "journey.summary", "orders.dead-letter"],
            clock=lambda: self.kafka.now,
            producer=self._made,
            bounded=bounded,
        )
        self.publisher.rebuild(timeout_s=10)
        self.kafka.calls.clear()

    def _made(self, config: Mapping[str, Any], *, logger: Any) -> Any:
        self.kafka.logger = logger
        self.kafka.config = config
        return self.kafka

    def publish(self, *batches: list[Record], timeout_s: float = 30.0) -> Result:
        """One transaction."""
        return self.publisher.publish(batches or ([RECORD],), [GROUP], timeout_s=timeout_s)


def test_records_and_offsets_are_one_transaction() -> None:
    """In this order, and nothing else."""
    bench = Bench()
    assert bench.publish([RECORD, RECORD], [RECORD]).outcome is Outcome.COMMITTED
    assert bench.kafka.calls == ["begin_transaction", *["produce"] * 3, "send_offsets", "commit"]


def test_position_of_a_single_record_is_reported() -> None:
    """A retry or a dead letter is one record. librdkafka does not always learn its offset from the broker."""
    bench = Bench()
    bench.kafka.first_offset = 7
    position = Position(topic=RECORD.topic, partition=2, offset=7)
    assert bench.publish([RECORD, RECORD], [RECORD]).positions == {1: position}
    bench.kafka.first_offset = -1001
    assert bench.publish([RECORD]).positions == {}


@pytest.mark.parametrize("call", ["send_offsets", "commit"])
@pytest.mark.parametrize("answer", [LATE, BUSY])
def test_a_call_that_may_be_made_again_is(call: str, answer: KafkaError) -> None:
    """It says nothing about the outcome; a commit that timed out above all is never aborted."""
    bench = Bench()
    bench.kafka.say(call, answer, answer)
    assert bench.publish().outcome is Outcome.COMMITTED
    assert bench.kafka.calls.count(call) == 3
    assert "abort" not in bench.kafka.calls


@pytest.mark.parametrize("call", ["send_offsets", "commit"])
def test_an_error_that_requires_an_abort_aborts_the_transaction(call: str) -> None:
    """The result gives the reason."""
    bench = Bench()
    bench.kafka.say(call, GONE)
    assert bench.publish() == Result(outcome=Outcome.ABORTED, reason="ILLEGAL_GENERATION: the generation is gone")
    assert bench.kafka.calls[-2:] == [call, "abort"]


@pytest.mark.parametrize(("error", "fenced"), [(FATAL_TRANSACTION, True), (FENCED, True)])
@pytest.mark.parametrize("call", ["begin_transaction", "send_offsets", "commit"])
def test_after_a_fatal_error_the_outcome_is_unknown(call: str, error: KafkaError, *, fenced: bool) -> None:
    """Nothing more is asked of such a producer; the result says whether it was fenced."""
    bench = Bench()
    bench.kafka.say(call, error)
    result = bench.publish()
    assert (result.outcome, result.fenced) == (Outcome.UNKNOWN, fenced)
    assert bench.kafka.calls[-1] == call


def test_outcome_is_unknown_if_a_fatal_producer_refuses_a_record() -> None:
    """`produce` hides the cause behind `_FATAL`; the abort that follows names it."""
    bench = Bench()
    bench.kafka.say("produce", FATAL_PRODUCE)
    bench.kafka.say("abort", FATAL_TRANSACTION)
    result = bench.publish()
    assert (result.outcome, result.fenced) == (Outcome.UNKNOWN, True)
    assert str(result.reason).startswith("PRODUCER_FENCED")


@pytest.mark.parametrize("call", ["send_offsets", "commit"])
def test_out_of_time_the_outcome_is_unknown(call: str) -> None:
    """Never taken for an abort: the broker may have done it."""
    bench = Bench()
    bench.kafka.say(call, *[LATE] * 100)
    assert bench.publish(timeout_s=10.0).outcome is Outcome.UNKNOWN
    assert bench.kafka.now < 15.0
    assert "abort" not in bench.kafka.calls


def test_a_hurry_shortens_what_is_under_way() -> None:
    """A stop does not wait for as long as a transaction may take."""
    bench = Bench()
    bench.kafka.say("commit", *[LATE] * 100)
    bench.publisher.hurry(3.0)
    assert bench.publish(timeout_s=1000.0).outcome is Outcome.UNKNOWN
    assert bench.kafka.now < 10.0


def test_offsets_that_are_left_behind_leave_the_outcome_unknown() -> None:
    """The call may still be under way: nothing more is asked of this producer."""

    def left_behind(_call: Callable[[], object], _left: Callable[[], float]) -> None:
        raise TimeoutError

    bench = Bench(bounded=left_behind)
    result = bench.publish()
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "send_offsets_to_transaction did not answer in time")
    assert bench.kafka.calls == ["begin_transaction", "produce"]


@pytest.mark.parametrize("answers", [[GONE], [FATAL_TRANSACTION], [LATE] * 100])
def test_an_abort_that_does_not_work_out_leaves_the_outcome_unknown(answers: list[KafkaError]) -> None:
    """Whatever its answer is, short of success."""
    bench = Bench()
    bench.kafka.say("commit", GONE)
    bench.kafka.say("abort", *answers)
    assert bench.publish().outcome is Outcome.UNKNOWN


def test_without_a_producer_nothing_is_sent() -> None:
    """After `discard` there is none until `rebuild`."""
    bench = Bench()
    bench.publisher.discard()
    bench.kafka.calls.clear()
    assert bench.publish().outcome is Outcome.UNKNOWN
    assert bench.kafka.calls == []


def test_statistics_are_taken_between_transactions() -> None:
    """A call into librdkafka brings them. Without a producer there is no call, and no queue."""
    bench = Bench()
    bench.kafka.statistics.append('{"msg_cnt": 9, "msg_size": 900, "brokers": {}}')
    bench.publisher.serve()
    queues = [bench.publisher.statistics.queued]
    bench.publisher.discard()
    bench.kafka.calls.clear()
    bench.publisher.serve()
    queues.append(bench.publisher.statistics.queued)
    assert queues == [Queued(records=9, bytes=900), None]
    assert bench.kafka.calls == []


def test_a_full_queue_is_waited_for() -> None:
    """The same record is handed over again."""
    bench = Bench()
    bench.kafka.say("produce", BufferError(), BufferError())
    assert bench.publish().outcome is Outcome.COMMITTED
    assert bench.kafka.calls[1:6] == ["produce", "poll", "produce", "poll", "produce"]


def test_a_queue_that_stays_full_leaves_the_outcome_unknown() -> None:
    """Within the time of the transaction."""
    bench = Bench()
    bench.kafka.say("produce", *[BufferError()] * 100)
    assert bench.publish(timeout_s=10.0).outcome is Outcome.UNKNOWN
    assert bench.kafka.now < 15.0


# -- records that Kafka does not take


def test_a_record_over_the_clients_own_limit_is_blamed() -> None:
    """It never left: the order of that batch, no other."""
    bench = Bench()
    bench.kafka.say("produce", TOO_LARGE)
    assert bench.publish([RECORD], [RECORD]).oversized == {0}


def test_reports_are_asked_for_only_after_an_abort() -> None:
    """They cost time for each record, and a transaction fails without them. With the next commit that is over."""
    bench = Bench()
    batches = [RECORD, RECORD], [RECORD, RECORD]
    for answer in (REFUSED, GONE):
        bench.kafka.reports.extend([PURGED] * 4)
        bench.kafka.say("commit", answer)
        assert bench.publish(*batches).outcome is Outcome.ABORTED
        assert len(bench.kafka.reports) == 4, "none was taken"
        assert bench.publish(*batches).outcome is Outcome.COMMITTED
        assert not bench.kafka.reports


def test_error_of_a_single_record_blames_it_only_if_all_records_have_reports() -> None:
    """Kafka refuses whole batches. Without the reports of the others, an innocent retry would be blamed."""
    bench = Bench()
    bench.kafka.reports.append(TOO_LARGE)
    bench.kafka.say("commit", REFUSED)
    assert bench.publish([RECORD], [RECORD, RECORD]).oversized == frozenset()


def test_the_one_record_that_was_refused_is_blamed() -> None:
    """Those that an abort purges are not; nor is the error that only says that something came before."""
    bench = Bench()
    bench.kafka.say("commit", REFUSED, REFUSED)
    assert bench.publish([RECORD], [RECORD], [RECORD]).oversized == frozenset()
    bench.kafka.reports.extend([PURGED, TOO_LARGE, None])
    result = bench.publish([RECORD], [RECORD], [RECORD])
    assert (result.oversized, result.reason) == (frozenset({1}), "MSG_SIZE_TOO_LARGE: too large")


def test_of_several_refused_together_none_is_blamed_until_they_travel_apart() -> None:
    """Kafka names all that travelled in one batch: the next transaction waits for each handful by itself."""
    bench = Bench()
    batches = [[Record(topic="t", key=None, value=b"x" * 40_000, headers=[])] for _ in range(3)]
    bench.kafka.say("commit", REFUSED)
    assert bench.publish(*batches).outcome is Outcome.ABORTED
    bench.kafka.reports.extend([None, TOO_LARGE, TOO_LARGE])
    bench.kafka.say("commit", REFUSED)
    assert bench.publish(*batches).oversized == frozenset()
    assert "flush" not in bench.kafka.calls
    bench.kafka.reports.extend([None, TOO_LARGE, TOO_LARGE])
    bench.kafka.say("commit", REFUSED)
    bench.kafka.say("flush", TimeoutError())
    assert bench.publish(*batches).oversized == {1, 2}
    assert bench.kafka.calls.count("flush") == 3, "once before each but the first, and again where some was left"
    assert bench.publish(*batches[:1]).outcome is Outcome.COMMITTED
    bench.kafka.calls.clear()
    assert bench.publish(*batches).outcome is Outcome.COMMITTED
    assert "flush" not in bench.kafka.calls, "that is over with the next commit"


def test_a_transaction_that_failed_behind_our_back_is_aborted() -> None:
    """Librdkafka does not say so of what `produce` answers then."""
    bench = Bench()
    bench.kafka.say("produce", FAILED_BEFORE)
    assert bench.publish().outcome is Outcome.ABORTED


def test_missing_right_to_commit_halts() -> None:
    """Nothing can be published without it."""
    bench = Bench()
    bench.kafka.say("commit", NO_GROUP)
    with pytest.raises(HaltError, match="may not publish or commit: GROUP_AUTHORIZATION_FAILED"):
        bench.publish()


@pytest.mark.parametrize("error", [NO_TOPIC, FAILED_BEFORE_COMMIT])
def test_topic_that_may_not_be_written_is_named(error: KafkaError) -> None:
    """Librdkafka names it in its log only, among other topics of the transaction. The error varies."""
    bench = Bench()
    for topic, why in (("orders.retry.1m", "Operation not attempted"), ("journey.ads", "Topic authorization failed")):
        bench.kafka.complaints.append(f'Failed to add partition "{topic}" [1] to transaction: Broker: {why}')
    bench.kafka.say("commit", error, error)
    result = bench.publish()
    assert (result.outcome, result.forbidden_topic) == (Outcome.ABORTED, "journey.ads")
    assert str(result.reason).startswith("TOPIC_AUTHORIZATION_FAILED")
    assert bench.publish().forbidden_topic is None, "the log names none this time"


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._STATE])
def test_deleted_topic_that_no_error_names_is_looked_up(code: int) -> None:
    """Kafka refuses a topic that this producer has written to before, without a report on any record."""
    bench = Bench()
    bench.kafka.topics = {"journey.summary": None}
    bench.kafka.say("commit", KafkaError(code, "no partition was added", txn_requires_abort=True))
    result = bench.publish([RECORD, Record(topic="journey.summary", key=b"A-1", value=b"v", headers=[])])
    assert (result.outcome, result.missing_topic) == (Outcome.ABORTED, "journey.ads")


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC])
def test_topic_that_does_not_exist_is_named(code: int) -> None:
    """The first abort does not know it; the transaction after that asks for reports."""
    bench = Bench()
    bench.kafka.say("commit", REFUSED, REFUSED)
    assert bench.publish().missing_topic is None
    bench.kafka.reports.append(KafkaError(code, "no such topic"))
    assert bench.publish().missing_topic == "journey.ads"


def test_reason_of_an_abort_is_the_first_failed_delivery() -> None:
    """Records that come after it are refused only because the transaction has failed already."""
    bench = Bench()
    bench.kafka.say("commit", REFUSED)
    bench.publish()
    bench.kafka.reports.append(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic"))
    bench.kafka.say("produce", FAILED_BEFORE)
    result = bench.publish()
    assert (result.outcome, result.missing_topic) == (Outcome.ABORTED, "journey.ads")
    assert result.reason is not None
    assert result.reason.startswith("UNKNOWN_TOPIC_OR_PART")


def test_topic_that_librdkafka_knows_to_be_missing_is_named_at_once() -> None:
    """`produce` itself raises the error."""
    bench = Bench()
    bench.kafka.say("produce", KafkaError(KafkaError._UNKNOWN_TOPIC, "no such topic"))
    result = bench.publish()
    assert (result.outcome, result.missing_topic) == (Outcome.ABORTED, "journey.ads")


# -- a new producer


def test_a_new_producer_asks_until_kafka_answers() -> None:
    """The publisher waits until a passing error has passed."""
    bench = Bench()
    bench.kafka.say("list_topics", LATE)
    bench.kafka.say("init_transactions", LATE, BUSY)
    bench.publisher.rebuild(timeout_s=10)
    attempt = ["list_topics", "list_topics", "init_transactions"]
    assert bench.kafka.calls == ["purge", "poll", "list_topics", *attempt * 3]
    assert bench.publish().outcome is Outcome.COMMITTED


@pytest.mark.parametrize("call", ["list_topics", "init_transactions"])
def test_a_new_producer_gives_up_in_time(call: str) -> None:
    """Without one, nothing is published."""
    bench = Bench()
    bench.kafka.say(call, *[LATE] * 100)
    with pytest.raises(TimeoutError, match="no transactional producer"):
        bench.publisher.rebuild(timeout_s=10)
    assert bench.publish().outcome is Outcome.UNKNOWN


def test_producer_that_kafka_cannot_give_names_the_topics_without_enough_replicas() -> None:
    """Kafka's own answer only says that the last transaction does not end. Other topics of the cluster are left out."""
    bench = Bench()
    busy = KafkaError(KafkaError.CONCURRENT_TRANSACTIONS, "another operation", retriable=True)
    bench.kafka.say("init_transactions", *[busy] * 100)
    alone = {0: SimpleNamespace(id=0, leader=1, replicas=[1, 2], isrs=[1])}
    names = ("journey.summary", "orders.foreign", "__transaction_state")
    bench.kafka.topics = {topic: SimpleNamespace(partitions=alone) for topic in names}
    with pytest.raises(TimeoutError) as caught:
        bench.publisher.rebuild(timeout_s=10)
    assert str(caught.value).split("; ") == [
        "journey.summary/0 has 1 of 2 replicas in sync",
        "__transaction_state/0 has 1 of 2 replicas in sync",
        "Kafka takes no records without a leader, or with fewer replicas in sync than min.insync.replicas",
        "no transactional producer: CONCURRENT_TRANSACTIONS: another operation",
    ]


@pytest.mark.parametrize(
    "error", [FATAL_TRANSACTION, KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no")]
)
def test_a_producer_that_kafka_refuses_for_good_stops(error: KafkaError) -> None:
    """Asking again would not help."""
    bench = Bench()
    bench.kafka.say("init_transactions", error)
    with pytest.raises(HaltError, match=r"Kafka refuses this producer \(transactional id orders-1\)"):
        bench.publisher.rebuild(timeout_s=10)


def test_a_setting_that_librdkafka_does_not_take_is_named() -> None:
    """As any wrong setting."""
    with pytest.raises(SettingsError, match="JOURNEYS_KAFKA__CONFIG"):
        Publisher({"no.such.setting": 1}).rebuild(timeout_s=1)


def test_dropping_a_producer_never_fails() -> None:
    """It may be in any state."""
    bench = Bench()
    bench.kafka.say("purge", FATAL_TRANSACTION)
    bench.publisher.discard()


# -- a call that does not keep its time-out


def test_a_call_in_a_thread_of_its_own_returns_or_raises_as_it_is() -> None:
    """Whatever it raises."""
    done: list[int] = []
    in_thread(lambda: done.append(threading.get_ident()), lambda: 10.0)
    assert done != [threading.get_ident()]

    def fail() -> None:
        raise KafkaException(GONE)

    with pytest.raises(KafkaException, match="generation"):
        in_thread(fail, lambda: 10.0)


def test_a_call_that_does_not_return_is_left_behind() -> None:
    """When no time is left, not before."""
    release = threading.Event()
    left = iter([0.01, 0.01, 0.01, 0.01, 0.01, 0.0])
    try:
        with pytest.raises(TimeoutError):
            in_thread(release.wait, lambda: next(left))
    finally:
        release.set()
    assert list(left) == []
