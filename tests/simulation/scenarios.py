"""Edge cases of Kafka, as scenarios that run on the model and on a real broker alike.

They use confluent_kafka's interface only. A scenario that the model cannot pass is a gap of the model: it stands in
`GAPS`, with what that means for the simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from tests.simulation.kafka.group import Kind


class Lab(Protocol):
    """A broker, and clients of it. Names are unique to the scenario."""

    def topic(self, partitions: int) -> str:
        """A new topic, of which each partition holds 50 records."""

    def consumer(self, group: str, **config: Any) -> Any:
        """A consumer; it has not subscribed."""

    def producer(self, name: str, **config: Any) -> Any:
        """A transactional producer; it is not initialised."""

    def visible(self, topic: str) -> list[bytes | None]:
        """The values in a topic, as read_committed reads them."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds; for as long as it takes, within reason."""


class Member:
    """A consumer in a group that knows what it owns."""

    def __init__(self, lab: Lab, group: str, topic: str, **config: Any) -> None:
        self.owned: set[int] = set()
        self.consumer = lab.consumer(group, **config)
        self.consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def poll(self) -> None:
        """Serve callbacks."""
        self.consumer.poll(0.05)

    @property
    def metadata(self) -> Any:
        """Its id and generation in the group, now."""
        return self.consumer.consumer_group_metadata()

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self.owned |= {partition.partition for partition in partitions}
        consumer.incremental_assign([TopicPartition(at.topic, at.partition, 0) for at in partitions])

    def _revoked(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        self.owned -= {partition.partition for partition in partitions}
        consumer.incremental_unassign(partitions)


def joined(lab: Lab, group: str, topic: str, *, owning: int, beside: tuple[Member, ...] = ()) -> Member:
    """A member that owns so many partitions, while those beside it go on polling."""
    member = Member(lab, group, topic)

    def settled() -> bool:
        for each in (member, *beside):
            each.poll()
        return len(member.owned) == owning and bool(member.consumer.memberid())

    lab.until(settled)
    return member


def started(lab: Lab, name: str, **config: Any) -> Any:
    """A producer that may begin."""
    producer = lab.producer(name, **config)
    producer.init_transactions(30)
    return producer


def send(producer: Any, member: Member, topic: str, offset: int, *, metadata: str = "", partition: int = 0) -> None:
    """Send an offset in the open transaction."""
    producer.send_offsets_to_transaction([TopicPartition(topic, partition, offset, metadata)], member.metadata, 10)


def committed(consumer: Any, topic: str, *, partition: int = 0, timeout: float = 10) -> tuple[int, str]:
    """The offsets that the group has committed."""
    [found] = consumer.committed([TopicPartition(topic, partition)], timeout=timeout)
    return found.offset, found.metadata or ""


def refused(call: Callable[[], object]) -> KafkaError:
    """The error that a call raises."""
    with pytest.raises(KafkaException) as raised:
        call()
    error: KafkaError = raised.value.args[0]
    return error


# -- scenarios


def metadata_comes_back(lab: Lab) -> None:
    """4,095 characters of it."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer")
    producer.begin_transaction()
    send(producer, member, topic, 7, metadata="x" * 4095)
    producer.commit_transaction(10)
    assert committed(member.consumer, topic) == (7, "x" * 4095)


def one_character_more_is_refused(lab: Lab) -> None:
    """The transaction must be aborted; the next one works."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer")
    producer.begin_transaction()
    error = refused(lambda: send(producer, member, topic, 7, metadata="x" * 4096))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.OFFSET_METADATA_TOO_LARGE, True)
    producer.abort_transaction(10)
    producer.begin_transaction()
    send(producer, member, topic, 8)
    producer.commit_transaction(10)
    assert committed(member.consumer, topic) == (8, "")


def an_open_transaction_hides_the_offset(lab: Lab) -> None:
    """Asking for stable offsets waits until time is up; asking for any gives the old one."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    careless = lab.consumer("group", **{"isolation.level": "read_uncommitted"})
    producer = started(lab, "producer")
    producer.begin_transaction()
    send(producer, member, topic, 3)
    producer.commit_transaction(10)
    assert committed(member.consumer, topic) == (3, "")
    producer.begin_transaction()
    send(producer, member, topic, 9)
    error = refused(lambda: committed(member.consumer, topic, timeout=0.5))
    assert error.code() == KafkaError._TIMED_OUT
    assert committed(careless, topic) == (3, "")
    producer.commit_transaction(10)
    assert committed(member.consumer, topic) == (9, "")


def one_open_transaction_hides_all_that_is_asked_with_it(lab: Lab) -> None:
    """So each partition is to be asked for by itself."""
    topic = lab.topic(2)
    member = joined(lab, "group", topic, owning=2)
    producer = started(lab, "producer")
    producer.begin_transaction()
    send(producer, member, topic, 9, partition=1)
    both = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    assert refused(lambda: member.consumer.committed(both, timeout=0.5)).code() == KafkaError._TIMED_OUT
    assert committed(member.consumer, topic, partition=0)[0] == -1001
    producer.abort_transaction(10)


def what_is_aborted_is_never_seen(lab: Lab) -> None:
    """Neither records nor offsets."""
    topic, out = lab.topic(1), lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    before = len(lab.visible(out))
    producer = started(lab, "producer")
    producer.begin_transaction()
    producer.produce(out, b"aborted", b"key")
    producer.flush(10)
    send(producer, member, topic, 5)
    producer.abort_transaction(10)
    producer.begin_transaction()
    producer.produce(out, b"committed", b"key")
    producer.commit_transaction(10)
    lab.until(lambda: len(lab.visible(out)) > before)
    assert lab.visible(out)[before:] == [b"committed"]
    assert committed(member.consumer, topic)[0] == -1001


def markers_leave_holes(lab: Lab) -> None:
    """Offsets are not dense: a transaction's marker has one of its own."""
    out = lab.topic(1)
    producer = started(lab, "producer")
    for value in (b"first", b"second"):
        producer.begin_transaction()
        producer.produce(out, value, b"key")
        producer.commit_transaction(10)
    reader = lab.consumer("reader")
    reader.incremental_assign([TopicPartition(out, 0, 50)])
    offsets: list[int] = []

    def read() -> bool:
        if (message := reader.poll(0.1)) is not None:
            offsets.append(message.offset())
        return len(offsets) == 2

    lab.until(read)
    assert offsets == [50, 52]


def the_end_is_beyond_markers(lab: Lab) -> None:
    """It is reported after the records below it, again after a resume, and beyond what was aborted."""
    out = lab.topic(1)
    place = TopicPartition(out, 0)
    producer = started(lab, "producer")

    def write(value: bytes, end: Callable[[float], None]) -> None:
        producer.begin_transaction()
        producer.produce(out, value, b"key")
        producer.flush(10)
        end(10)

    write(b"committed", producer.commit_transaction)
    reader = lab.consumer("reader", **{"enable.partition.eof": True})
    reader.incremental_assign([TopicPartition(out, 0, 50)])
    seen: list[tuple[bool, int]] = []

    def reached(end: int) -> bool:
        if (message := reader.poll(0.1)) is not None:
            seen.append((message.error() is None, message.offset()))
        return bool(seen) and seen[-1] == (False, end)

    lab.until(lambda: reached(52))
    while seen[0] == (False, 50):  # the marker is written after `commit_transaction` has returned
        seen.pop(0)
    assert seen == [(True, 50), (False, 52)]
    write(b"aborted", producer.abort_transaction)
    lab.until(lambda: reached(54))
    assert set(seen[2:]) <= {(False, 52), (False, 54)}
    seen.clear()
    reader.pause([place])
    reader.resume([place])
    lab.until(lambda: reached(54))
    assert seen == [(False, 54)]


def a_namesake_fences(lab: Lab) -> None:
    """A new producer with the same transactional.id aborts the old one's transaction, and the old one gets an error."""
    topic, out = lab.topic(1), lab.topic(1)
    before = len(lab.visible(out))
    member = joined(lab, "group", topic, owning=1)
    old = started(lab, "producer")
    old.begin_transaction()
    old.produce(out, b"zombie", b"key")
    old.flush(10)
    send(old, member, topic, 5)
    started(lab, "producer")
    error = refused(lambda: old.commit_transaction(10))
    assert (error.code(), error.fatal()) == (KafkaError._FENCED, True)
    assert committed(member.consumer, topic)[0] == -1001
    assert len(lab.visible(out)) == before


def a_transaction_out_of_time_is_aborted(lab: Lab) -> None:
    """By the broker, which fences its producer for it."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer", **{"transaction.timeout.ms": 1000})
    producer.begin_transaction()
    send(producer, member, topic, 5)

    def settled() -> bool:
        try:
            return committed(member.consumer, topic, timeout=0.5)[0] == -1001
        except KafkaException:
            return False

    lab.until(settled)
    error = refused(lambda: producer.commit_transaction(10))
    assert (error.code(), error.fatal()) == (KafkaError._FENCED, True)


def a_generation_gone_by_is_refused(lab: Lab) -> None:
    """Group metadata from before a rebalance is stale. The transaction must be aborted, and sent again."""
    topic = lab.topic(2)
    member = joined(lab, "group", topic, owning=2)
    producer = started(lab, "producer")
    stale = member.metadata
    joined(lab, "group", topic, owning=1, beside=(member,))
    [own] = member.owned
    producer.begin_transaction()
    error = refused(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, own, 5)], stale, 10))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.ILLEGAL_GENERATION, True)
    producer.abort_transaction(10)
    producer.begin_transaction()
    send(producer, member, topic, 5, partition=own)
    producer.commit_transaction(10)
    assert committed(member.consumer, topic, partition=own)[0] == 5


def a_member_that_left_is_refused(lab: Lab) -> None:
    """Though it was one when it asked."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer")
    stale = member.metadata
    member.consumer.close()
    producer.begin_transaction()
    error = refused(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], stale, 10))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.UNKNOWN_MEMBER_ID, True)
    producer.abort_transaction(10)


def ownership_is_never_asked(lab: Lab) -> None:
    """A member commits an offset of a partition that is another's by now, and sets that one's work back."""
    topic = lab.topic(2)
    one = joined(lab, "group", topic, owning=2)
    other = joined(lab, "group", topic, owning=1, beside=(one,))
    [lost] = other.owned
    owner, trespasser = started(lab, "owner"), started(lab, "trespasser")
    owner.begin_transaction()
    send(owner, other, topic, 20, partition=lost)
    owner.commit_transaction(10)
    assert committed(other.consumer, topic, partition=lost)[0] == 20
    trespasser.begin_transaction()
    send(trespasser, one, topic, 10, partition=lost)
    trespasser.commit_transaction(10)
    assert committed(other.consumer, topic, partition=lost)[0] == 10


def the_group_does_not_fence_a_commit(lab: Lab) -> None:
    """Once the offsets are sent, a transaction can be committed by one that has left the group."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer")
    producer.begin_transaction()
    send(producer, member, topic, 5)
    member.consumer.close()
    producer.commit_transaction(10)
    assert committed(lab.consumer("group"), topic)[0] == 5


def a_failed_transaction_takes_no_records(lab: Lab) -> None:
    """It says so as a wrong state, not as a need to abort."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer")
    producer.begin_transaction()
    refused(lambda: send(producer, member, topic, 7, metadata="x" * 4096))
    error = refused(lambda: producer.produce(topic, b"more", b"key"))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError._STATE, False)
    assert refused(lambda: producer.commit_transaction(10)).txn_requires_abort()
    producer.abort_transaction(10)


def a_transaction_begins_once(lab: Lab) -> None:
    """A second begin is a wrong state."""
    producer = started(lab, "producer")
    producer.begin_transaction()
    assert refused(producer.begin_transaction).code() == KafkaError._STATE
    producer.abort_transaction(10)


def a_stranger_may_commit(lab: Lab) -> None:
    """One that never joined, though the group has a member."""
    topic = lab.topic(1)
    member = joined(lab, "group", topic, owning=1)
    producer = started(lab, "producer")
    producer.begin_transaction()
    stranger = lab.consumer("group").consumer_group_metadata()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], stranger, 10)
    producer.commit_transaction(10)
    assert committed(member.consumer, topic)[0] == 5


def a_stranger_is_refused(lab: Lab) -> None:
    """In the new protocol a stranger has an id. It may commit until the group has members, which Kafka knows by id."""
    topic = lab.topic(1)
    stranger = lab.consumer("group").consumer_group_metadata()
    producer = started(lab, "producer")
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 3)], stranger, 10)
    producer.commit_transaction(10)
    member = joined(lab, "group", topic, owning=1)
    assert committed(member.consumer, topic)[0] == 3
    producer.begin_transaction()
    error = refused(lambda: producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], stranger, 10))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.UNKNOWN_MEMBER_ID, True)
    producer.abort_transaction(10)


def one_that_fell_out_is_refused(lab: Lab) -> None:
    """It is no stranger, though it may have no id any more: its client still names the generation that it was in."""
    topic = lab.topic(1)
    one = Member(lab, "group", topic, **{"max.poll.interval.ms": 6000})

    def settled() -> bool:
        one.poll()
        return bool(one.owned and one.consumer.memberid())

    lab.until(settled)
    joined(lab, "group", topic, owning=1)  # the first one does not poll any more
    producer = started(lab, "producer")
    producer.begin_transaction()
    error = refused(lambda: send(producer, one, topic, 5))
    assert (error.code(), error.txn_requires_abort()) == (KafkaError.UNKNOWN_MEMBER_ID, True)
    producer.abort_transaction(10)


SCENARIOS: tuple[Callable[[Lab], None], ...] = (
    metadata_comes_back,
    one_character_more_is_refused,
    an_open_transaction_hides_the_offset,
    one_open_transaction_hides_all_that_is_asked_with_it,
    what_is_aborted_is_never_seen,
    markers_leave_holes,
    the_end_is_beyond_markers,
    a_namesake_fences,
    a_transaction_out_of_time_is_aborted,
    a_failed_transaction_takes_no_records,
    a_transaction_begins_once,
)
OF_GROUPS: tuple[Callable[[Lab], None], ...] = (
    a_generation_gone_by_is_refused,
    a_member_that_left_is_refused,
    ownership_is_never_asked,
    the_group_does_not_fence_a_commit,
    one_that_fell_out_is_refused,
)
"""These depend on the group's protocol, and run with both."""
CASES: list[tuple[Callable[[Lab], None], Kind]] = [
    *((scenario, "classic") for scenario in (*SCENARIOS, *OF_GROUPS, a_stranger_may_commit)),
    *((scenario, "consumer") for scenario in (*OF_GROUPS, a_stranger_is_refused)),
]
GAPS: dict[tuple[Callable[[Lab], None], Kind], str] = {}
"""Cases that the model does not pass, and why that does no harm to the simulation."""


def cases(*, of_the_model: bool) -> list[Any]:
    """The cases as parameters of a test; the model's gaps are expected to fail, and must not pass unnoticed."""
    return [
        pytest.param(
            *case,
            id=f"{case[0].__name__}-{case[1]}",
            marks=[pytest.mark.xfail(reason=GAPS[case], strict=True)] if of_the_model and case in GAPS else [],
        )
        for case in CASES
    ]
