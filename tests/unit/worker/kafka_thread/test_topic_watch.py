"""A topic that is away, that was created again, or that has no id."""

from __future__ import annotations

import pytest
from tests.support.kafka_thread import STAMP, A, B, Thread
from tests.support.runbook import walk_end
from tests.support.worker_fakes import Complaints, FakeTopics

from journeys.clock import Clock
from journeys.consumer import offset_map
from journeys.consumer.consumer import Listener
from journeys.errors import HaltError, SetupError
from journeys.worker.happenings import Hooks, OrderTopicsMissing, TopicsWithoutIds
from journeys.worker.kafka_thread.topic_watch import TopicWatch

OTHER = "Zz0m4xXpTxyRmQ0c9K1nPg"
REMEDY = (
    "kafka-consumer-groups --bootstrap-server broker:9092 --group journeys --topic orders"
    " --reset-offsets --to-earliest --execute"
)


def recreate(thread: Thread) -> None:
    """The topic gets another id, and the next answer is taken after 5 s."""
    thread.brokers.topic_id = OTHER
    thread.clock_at += 5.1


def test_recreated_topic_stops_a_running_worker() -> None:
    """Within 5 s, with the commands that set the offsets to the start of the new topic. Nothing is committed then."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    recreate(thread)
    with pytest.raises(SetupError, match="orders was deleted and created again") as raised:
        thread.turn(2)
    assert raised.value.remedy == REMEDY
    walk_end("A topic was created again", str(raised.value))
    assert thread.published() == []


def test_recreated_topic_stops_a_worker_that_lost_its_partitions() -> None:
    """A rebalance may come before the next answer, since the topic was away."""
    thread = Thread(A)
    thread.revoke(A)
    recreate(thread)
    with pytest.raises(SetupError, match="created again"):
        thread.turn(2)


@pytest.mark.parametrize("is_recreated", [True, False])
def test_recreated_topic_explains_another_error(is_recreated: bool) -> None:
    """The old offset is out of the new topic's range, and that error may come before the answer about the ids."""

    def out_of_range(_: Listener) -> None:
        raise HaltError("out of range")

    thread = Thread(A)
    thread.consumer.rebalances.append(out_of_range)
    if is_recreated:
        thread.brokers.topic_id = OTHER
    with pytest.raises(HaltError, match="created again" if is_recreated else "out of range"):
        thread.loop.run()


def test_commit_of_the_deleted_topic_stops_the_next_worker() -> None:
    """The six characters in the commit's metadata differ from the topic's id."""
    thread = Thread(A)
    thread.group.offsets[B] = (7, offset_map.encode(7, [9], topic_id=OTHER))
    with pytest.raises(SetupError, match="created again") as raised:
        thread.assign(B)
    assert raised.value.remedy == REMEDY


WITHOUT = offset_map.encode(7, [9], topic_id=offset_map.NO_ID)


@pytest.mark.parametrize("metadata", ["", "1" + WITHOUT[7:], WITHOUT])
def test_commits_without_an_id_are_taken_and_stamped(metadata: str) -> None:
    """Those of an ordinary committer, of version 1, and of brokers without ids. The first commit stamps them."""
    thread = Thread(A)
    thread.group.offsets[B] = (7, metadata)
    thread.assign(B)
    thread.place(B, 7)
    thread.finish(B, 7)
    assert thread.group.offsets[B][1].startswith(STAMP)


def test_partition_is_held_until_its_topic_has_an_id() -> None:
    """No order is read under an unknown id. The brokers are asked again at each assignment, and every 5 s."""
    thread = Thread()
    asked = thread.brokers.asked
    thread.turn(3)
    assert thread.brokers.asked == asked
    thread.brokers.missing = {"orders"}
    thread.clock_at += 5.1
    thread.turn(2)
    assert thread.brokers.asked == asked + 1
    thread.assign(A)
    assert thread.assignments.ledgers == {}
    thread.brokers.missing = set()
    thread.clock_at += 5.1
    thread.turn(2)
    thread.clock_at += 1.0
    thread.turn()
    assert list(thread.assignments.ledgers) == [A]
    assert [each.topics for each in thread.complaints.happenings if isinstance(each, OrderTopicsMissing)] == [
        ["orders"],
        [],
    ]


def test_silent_brokers_are_no_missing_topic() -> None:
    """The last answer counts until they answer again."""
    thread = Thread(A)
    thread.brokers.is_silent = True
    thread.clock_at += 60
    thread.turn(2)
    thread.place(A, 0)
    thread.finish(A, 0)
    assert thread.published() == ["orders/0/0"]
    assert not any(isinstance(each, OrderTopicsMissing) for each in thread.complaints.happenings)


def test_topic_without_an_answer_stays_missing() -> None:
    """Silence about one topic says nothing about it; the next answer does."""
    complaints, brokers = Complaints(), FakeTopics("orders")
    groups = {"orders": "journeys", "retries": "journeys"}
    watch = TopicWatch(brokers.ask, groups=groups, servers="broker:9092", hooks=Hooks(complaints), clock=Clock())
    seen = []
    for missing, unanswered, now in (({"orders"}, set(), 0.0), (set(), {"orders"}, 1.0), (set(), set(), 2.0)):
        brokers.missing, brokers.unanswered = missing, unanswered
        watch.look(now)
        watch.look(now)
        seen.append([each.topics for each in complaints.happenings if isinstance(each, OrderTopicsMissing)])
    assert seen == [[["orders"]], [["orders"]], [["orders"], []]]


def test_brokers_without_ids_are_reported_once_and_not_compared() -> None:
    """Neither with a commit that has an id, nor later."""
    complaints, brokers = Complaints(), FakeTopics()
    brokers.without = {"orders": "old", "retries": "old"}
    groups = dict.fromkeys(brokers.without, "journeys")
    watch = TopicWatch(brokers.ask, groups=groups, servers="broker:9092", hooks=Hooks(complaints), clock=Clock())
    for now in (0.0, 0.1, 5.1, 5.2):
        watch.look(now)
    assert watch.id_of("orders") == offset_map.NO_ID
    watch.check("orders", offset_map.encode(7, [9], topic_id=OTHER))
    brokers.without = {}
    for now in (10.2, 10.3):
        watch.look(now)
    assert [type(each) for each in complaints.happenings] == [TopicsWithoutIds]
