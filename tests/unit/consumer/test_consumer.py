"""The effect of each answer of librdkafka's consumer: later, never, or a halt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from tests.support.librdkafka import FATAL, REFUSED_JOINS
from tests.support.runbook import walk_end

from journeys.consumer.consumer import UNREADABLE_HEADERS, OrderConsumer, Partition
from journeys.consumer.groups import OrderConsumers
from journeys.errors import HaltError, SettingsError

A: Partition = ("orders", 0)
LATE = KafkaError(KafkaError._TIMED_OUT, "timed out")
NOT_THERE = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic")
HALTS = [
    KafkaError(KafkaError._AUTO_OFFSET_RESET, "no offset"),
    KafkaError(KafkaError.OFFSET_OUT_OF_RANGE, "out of range"),
    KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed"),
    KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "not allowed"),
    FATAL,
]
JOINS_THAT_HALT = (
    "INVALID_SESSION_TIMEOUT",
    "INVALID_GROUP_ID",
    "GROUP_AUTHORIZATION_FAILED",
    "UNSUPPORTED_VERSION",
)


class Message:
    """An order message, or an error in its place."""

    def __init__(
        self,
        offset: int = 0,
        error: KafkaError | None = None,
        kind: int = 1,
        at: int = 7,
        topic: str | None = A[0],
    ) -> None:
        self._offset = offset
        self._topic = topic
        self._error = error
        self._kind = kind
        self._at = at

    def error(self) -> KafkaError | None:
        """The error."""
        return self._error

    def topic(self) -> str | None:
        """The topic; None for an error of the group."""
        return self._topic

    def partition(self) -> int:
        """A partition."""
        return A[1]

    def offset(self) -> int:
        """Its offset."""
        return self._offset

    def key(self) -> bytes | None:
        """None."""

    def value(self) -> bytes:
        """An order."""
        return b"A-1"

    def headers(self) -> list[tuple[str, bytes]] | None:
        """None."""

    def timestamp(self) -> tuple[int, int]:
        """Of a kind; 0 is none."""
        return self._kind, self._at


class Librdkafka:
    """A consumer whose calls give what the test says: a value, or an error to raise."""

    def __init__(self) -> None:
        self.gives: dict[str, Any] = {}
        self.callbacks: dict[str, Callable[..., None]] = {}
        self.unassigned: list[list[Partition]] = []
        self.asked: list[str] = []
        self.arguments: dict[str, tuple[Any, ...]] = {}
        self.closed = threading.Event()

    def subscribe(self, _: list[str], **callbacks: Callable[..., None]) -> None:
        """Remember the callbacks."""
        self.callbacks = callbacks

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Remember them; or an error."""
        self.unassigned.append([(each.topic, each.partition) for each in partitions])
        self._give("incremental_unassign", (partitions,))

    def close(self) -> None:
        """Tell of the partitions that go, as librdkafka does."""
        self.callbacks["on_revoke"](self, [TopicPartition(*A)])
        self.closed.set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **__: self._give(name, arguments)

    def _give(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self.asked.append(name)
        self.arguments[name] = arguments
        given = self.gives.get(name)
        if isinstance(given, KafkaError):
            raise KafkaException(given)
        return given


class Listener:
    """Remembers each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Partition]]] = []

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """They came."""
        self.calls.append(("assigned", list(partitions)))

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """They go."""
        self.calls.append(("revoked", list(partitions)))

    def lost(self, partitions: Sequence[Partition]) -> None:
        """They went."""
        self.calls.append(("lost", list(partitions)))


class Bench:
    """A consumer of orders over it."""

    def __init__(self) -> None:
        self.kafka = Librdkafka()
        self.listener = Listener()
        self.config: dict[str, Any] = {}
        self.now = 0.0

        def made(config: dict[str, Any], **_: object) -> Any:
            self.config = config
            return self.kafka

        self.consumer = OrderConsumer({"group.id": "shop-eu"}, ["orders"], consumer=made, monotonic=lambda: self.now)
        self.consumer.subscribe(self.listener)

    def rebalance(self, name: str) -> None:
        """A rebalance, as librdkafka reports it, inside poll."""
        self.kafka.callbacks[name](self.kafka, [TopicPartition(*A)])


def test_setting_that_librdkafka_refuses_is_a_settings_error() -> None:
    """As any wrong setting."""
    with pytest.raises(SettingsError, match="JOURNEYS_KAFKA__CONFIG"):
        OrderConsumer({"group.id": "g", "no.such.setting": 1}, ["orders"])


def test_setting_of_the_other_group_protocol_is_a_settings_error() -> None:
    """A setting of the classic protocol does not go with `group.protocol=consumer`."""
    config = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "group.protocol": "consumer"}
    with pytest.raises(SettingsError, match=r"JOURNEYS_KAFKA__CONFIG: .*session\.timeout\.ms"):
        OrderConsumer({**config, "session.timeout.ms": 3000}, ["orders"])


def test_poll_takes_prefetched_messages_without_waiting() -> None:
    """The first is waited for; then what is prefetched. An error among them is no message."""
    bench = Bench()
    assert bench.consumer.poll(0.1, 10) == []
    bench.kafka.gives = {"poll": Message(3), "consume": [Message(4), Message(error=LATE), Message(5)]}
    assert [message.position.offset for message in bench.consumer.poll(0.1, 10)] == [3, 4, 5]
    assert [message.position.offset for message in bench.consumer.poll(0.1, 1)] == [3]


@pytest.mark.parametrize(("kind", "at"), [(0, 7), (1, -1), (1, 253_402_300_800_000), (2, 2**63 - 1)])
def test_timestamp_out_of_range_is_none(kind: int, at: int) -> None:
    """Kafka gives a number all the same, and takes any from a producer."""
    bench = Bench()
    bench.kafka.gives = {"poll": Message(kind=kind, at=at)}
    [message] = bench.consumer.poll(0.1, 1)
    assert message.timestamp_ms is None


def test_unreadable_headers_become_one_marker_header() -> None:
    """The client raises this for a name that is not UTF-8 (as on a real broker: tests/broker/test_bad_input.py)."""

    class Odd(Message):
        def headers(self) -> list[tuple[str, bytes]] | None:
            raise SystemError("headers returned a result with an exception set")

    bench = Bench()
    bench.kafka.gives = {"poll": Odd()}
    [message] = bench.consumer.poll(0.1, 1)
    assert (message.headers, message.value) == (((UNREADABLE_HEADERS, None),), b"A-1")


def everywhere(error: KafkaError) -> dict[str, Any]:
    """A Kafka that answers all calls with this."""
    return {"poll": Message(error=error), "committed": error, "get_watermark_offsets": error, "seek": error}


@pytest.mark.parametrize("error", HALTS)
def test_fatal_consumer_errors_halt(error: KafkaError) -> None:
    """Every call that reports the error halts the worker."""
    bench = Bench()
    bench.kafka.gives = everywhere(error)
    for call in (
        lambda: bench.consumer.poll(0.1, 1),
        lambda: bench.consumer.committed(A, timeout_s=1.0),
        lambda: bench.consumer.bounds(A, timeout_s=1.0),
        lambda: bench.consumer.release(A, 3),
    ):
        with pytest.raises(HaltError):
            call()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "may not read orders "),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "the consumer group shop-eu "),
        (KafkaError.INVALID_GROUP_ID, "the consumer group shop-eu "),
    ],
)
def test_refusal_names_the_topic_or_the_group(code: int, name: str) -> None:
    """A worker has two groups, and each needs rights of its own."""
    bench = Bench()
    bench.kafka.gives = everywhere(KafkaError(code, "not allowed"))
    with pytest.raises(HaltError, match=name):
        bench.consumer.poll(0.1, 1)
    with pytest.raises(HaltError, match=name):
        bench.consumer.committed(A, timeout_s=1.0)


def test_offset_out_of_range_halts() -> None:
    """The reason says so. To start over could publish everything again, and to skip could lose orders."""
    bench = Bench()
    bench.kafka.gives = everywhere(KafkaError(KafkaError._AUTO_OFFSET_RESET, "out of range"))
    with pytest.raises(HaltError) as raised:
        bench.consumer.poll(0.1, 1)
    walk_end("An offset is out of range", str(raised.value))


@pytest.mark.parametrize("name", JOINS_THAT_HALT)
def test_refused_join_that_does_not_pass_halts(name: str) -> None:
    """The reason names the error, with its meaning."""
    bench = Bench()
    bench.kafka.gives = {"poll": Message(error=REFUSED_JOINS[name], topic=None)}
    with pytest.raises(HaltError, match=rf"\({name}: JoinGroup failed"):
        bench.consumer.poll(0.1, 1)


@pytest.mark.parametrize("name", sorted(REFUSED_JOINS.keys() - set(JOINS_THAT_HALT)))
def test_refused_join_is_an_obstacle_until_the_next_assignment(name: str) -> None:
    """The member waits, and says why; an assignment, also an empty one, means that it joined."""
    bench = Bench()
    assert (bench.consumer.joined, bench.consumer.obstacle) == (False, "not a member of the group yet")
    bench.kafka.gives = {"poll": Message(error=REFUSED_JOINS[name], topic=None), "memberid": "m-1"}
    assert bench.consumer.poll(0.1, 1) == []
    assert not bench.consumer.joined
    assert f"{name}: JoinGroup failed" in str(bench.consumer.obstacle)
    bench.kafka.callbacks["on_assign"](bench.kafka, [])
    assert (bench.consumer.joined, bench.consumer.obstacle) == (True, None)
    bench.rebalance("on_lost")
    assert (bench.consumer.joined, bench.consumer.obstacle) == (
        False,
        "it fell out of the group, and joins it again",
    )


class Metadata:
    """The answer about topics: it knows the topic of the orders, with an error or without."""

    def __init__(self, error: KafkaError | None = None) -> None:
        self.error = error
        self.topics = {A[0]: self}


DOWN = KafkaError(KafkaError._TRANSPORT, "connection refused")
NOT_TRUSTED = KafkaError(KafkaError._SSL, "certificate verify failed")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


def test_error_of_a_topic_is_an_obstacle_until_the_topic_is_back() -> None:
    """A message of the topic, or an answer about it, ends the obstacle; it needs no new assignment."""
    bench = Bench()
    bench.rebalance("on_assign")
    for back in ({"poll": Message()}, {"list_topics": Metadata()}):
        bench.kafka.gives = {"poll": Message(error=NOT_THERE), "list_topics": Metadata(NOT_THERE)}
        bench.consumer.poll(0.1, 1)
        assert bench.consumer.obstacle == "UNKNOWN_TOPIC_OR_PART: no such topic"
        for answer in (DOWN, Metadata(NOT_THERE)):
            bench.kafka.gives = {"poll": Message(topic="other"), "list_topics": answer}
            bench.now += 10.0
            bench.consumer.poll(0.1, 1)
            assert bench.consumer.obstacle is not None
        bench.kafka.gives = {"list_topics": DOWN, **back}
        bench.now += 10.0
        bench.consumer.poll(0.1, 1)
        assert bench.consumer.obstacle is None


def test_lost_brokers_are_an_obstacle_until_one_answers() -> None:
    """One lost connection is none. The text has the last error; the question is asked every two seconds."""
    bench = Bench()
    bench.rebalance("on_assign")
    bench.kafka.gives = {"list_topics": DOWN}
    seen = []
    for error in (DOWN, ALL_DOWN):
        bench.config["error_cb"](error)
        seen.append(bench.consumer.obstacle)
    assert seen == [None, "no broker answers (_TRANSPORT: connection refused)"]
    for bench.now in (10.0, 11.0, 12.0):
        bench.consumer.poll(0.1, 1)
    assert bench.kafka.asked.count("list_topics") == 2
    assert bench.consumer.obstacle is not None
    bench.kafka.gives = {"list_topics": Metadata()}
    bench.now = 20.0
    bench.consumer.poll(0.1, 1)
    assert bench.consumer.obstacle is None


def test_newest_error_is_named_while_no_broker_answers() -> None:
    """No report that all brokers are down is needed. One of the same kind changes nothing: only times differ."""
    bench = Bench()
    bench.rebalance("on_assign")
    bench.kafka.gives = {"list_topics": DOWN}
    seen = []
    for error in (DOWN, KafkaError(KafkaError._TRANSPORT, "refused after 2 ms"), NOT_TRUSTED):
        bench.config["error_cb"](error)
        bench.now += 10.0
        bench.consumer.poll(0.1, 1)
        seen.append(bench.consumer.obstacle)
    refused = "no broker answers (_TRANSPORT: connection refused)"
    expired = "no broker answers (_SSL: certificate verify failed; has the certificate of the broker expired?)"
    assert seen == [refused, refused, expired]


def test_errors_before_the_last_answer_are_not_named() -> None:
    """The brokers may be gone for another reason the next time."""
    bench = Bench()
    bench.rebalance("on_assign")
    for error in (NOT_TRUSTED, ALL_DOWN):
        bench.config["error_cb"](error)
    bench.kafka.gives = {"list_topics": Metadata()}
    bench.now += 10.0
    bench.consumer.poll(0.1, 1)
    assert bench.consumer.obstacle is None
    bench.config["error_cb"](ALL_DOWN)
    assert bench.consumer.obstacle == "no broker answers (_ALL_BROKERS_DOWN: 1/1 brokers are down)"


def test_lost_connection_is_no_obstacle_while_another_broker_answers() -> None:
    """It is asked about once; the next error is asked about anew."""
    bench = Bench()
    bench.rebalance("on_assign")
    bench.kafka.gives = {"list_topics": Metadata()}
    for questions in (1, 2):
        bench.config["error_cb"](DOWN)
        for _ in range(3):
            bench.now += 10.0
            bench.consumer.poll(0.1, 1)
        assert (bench.consumer.obstacle, bench.kafka.asked.count("list_topics")) == (None, questions)
        assert bench.kafka.arguments["list_topics"] == ("__consumer_offsets",), "not about all topics of a cluster"


@pytest.mark.parametrize("error", [LATE, NOT_THERE])
def test_transient_consumer_errors_are_timeouts(error: KafkaError) -> None:
    """A poll goes on; a question is answered later."""
    bench = Bench()
    bench.kafka.gives = everywhere(error)
    assert bench.consumer.poll(0.1, 1) == []
    with pytest.raises(TimeoutError):
        bench.consumer.committed(A, timeout_s=1.0)
    with pytest.raises(TimeoutError):
        bench.consumer.bounds(A, timeout_s=1.0)
    with pytest.raises(TimeoutError):
        bench.consumer.release(A, 3)
    assert bench.consumer.known_end(A) is None


def test_partition_error_is_no_committed_offset() -> None:
    """The call succeeds; its answer holds the error."""
    bench = Bench()
    found = TopicPartition(*A)
    bench.kafka.gives = {"committed": [found]}
    assert bench.consumer.committed(A, timeout_s=1.0) is None, "nothing was ever committed"
    found.offset = 0
    assert bench.consumer.committed(A, timeout_s=1.0) == (0, "")

    class Refused:
        offset, metadata, error = 3, "", LATE

    bench.kafka.gives = {"committed": [Refused()]}
    with pytest.raises(TimeoutError):
        bench.consumer.committed(A, timeout_s=1.0)


def test_end_is_unknown_before_the_first_fetch() -> None:
    """Before that librdkafka says -1001; and nothing where it gives up."""
    bench = Bench()
    bench.kafka.gives = {"get_watermark_offsets": (0, -1001)}
    assert bench.consumer.known_end(A) is None
    bench.kafka.gives = {"get_watermark_offsets": (0, 9)}
    assert (bench.consumer.known_end(A), bench.consumer.bounds(A, timeout_s=1.0)) == (9, (0, 9))
    bench.kafka.gives = {}
    with pytest.raises(TimeoutError):
        bench.consumer.bounds(A, timeout_s=1.0)


def test_revoke_calls_the_listener_before_unassigning() -> None:
    """Even partitions that were never assigned may be named."""
    bench = Bench()
    bench.kafka.gives["incremental_unassign"] = LATE
    for name in ("on_assign", "on_revoke", "on_lost"):
        bench.rebalance(name)
    assert [what for what, _ in bench.listener.calls] == ["assigned", "revoked", "lost"]
    assert bench.kafka.unassigned == [[A], [A]]


def test_held_partition_is_assigned_and_paused() -> None:
    """And where nothing is held, nothing is asked of librdkafka."""
    bench = Bench()
    bench.consumer.hold([])
    assert bench.kafka.asked == []
    bench.consumer.hold([A])
    assert bench.kafka.asked == ["incremental_assign", "pause"]


def test_close_calls_no_listener() -> None:
    """Results were published before; the thread that closes must touch no ledger. All groups are left."""
    first, second = Bench(), Bench()
    OrderConsumers({first.consumer: ["orders"], second.consumer: ["orders.retry.1h"]}).close()
    for bench in (first, second):
        assert bench.kafka.closed.is_set()
        for name in ("on_assign", "on_lost"):
            bench.rebalance(name)
        assert bench.listener.calls == []
        assert bench.kafka.unassigned == [[A], [A]]


def test_end_of_a_partition_is_no_message_and_no_obstacle() -> None:
    """It is kept until it is taken, once. A topic whose end is read has no obstacle any more."""
    bench = Bench()
    bench.rebalance("on_assign")
    bench.kafka.gives["poll"] = Message(error=NOT_THERE)
    bench.consumer.poll(0.0, 1)
    obstacles = [bench.consumer.obstacle]
    bench.kafka.gives["poll"] = Message(offset=7, error=KafkaError(KafkaError._PARTITION_EOF))
    assert bench.consumer.poll(0.0, 1) == []
    obstacles.append(bench.consumer.obstacle)
    assert [obstacle is None for obstacle in obstacles] == [False, True]
    assert (bench.consumer.take_ends(), bench.consumer.take_ends()) == ({A: 7}, {})
