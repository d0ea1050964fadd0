"""The Kafka thread against a group, a producer and a pool in memory: rebalances, doubts and full hands."""

from __future__ import annotations

import pytest
from tests.support.kafka_thread import ABORTED, ID, STAMP, UNKNOWN, A, B, Thread, at

from journeys.consumer import offset_map
from journeys.consumer.consumer import Listener
from journeys.worker.happenings import GroupsChanged
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.kafka_thread.states import State


def test_order_is_published_with_its_offset() -> None:
    """An order that is finished beyond a gap goes out at once, and the commit says so."""
    thread = Thread(A)
    thread.place(A, 0, 1, 2)
    thread.finish(A, 2)
    assert thread.published() == ["orders/0/2"]
    assert thread.group.offsets[A] == (0, offset_map.encode(0, [2], topic_id=ID))
    thread.finish(A, 0, 1)
    assert thread.group.offsets[A] == (3, STAMP)
    assert (thread.admission.in_hand, thread.admission.bytes_in_hand, thread.backlog.pending_bytes) == (0, 0, 0)


def test_revoke_publishes_finished_orders_and_forgets_the_rest() -> None:
    """The other partition is not touched."""
    thread = Thread(A, B)
    thread.place(A, 0, 1)
    thread.place(B, 0)
    thread.pool.finish(at(A, 1))
    thread.revoke(A)
    assert thread.published() == ["orders/0/1"]
    assert thread.group.offsets[A] == (0, offset_map.encode(0, [1], topic_id=ID))
    assert (thread.admission.in_hand, thread.admission.bytes_in_hand, len(thread.assignments.ledgers)) == (1, 10, 1)


@pytest.mark.parametrize("takes_effect", [True, False])
def test_partition_revoked_in_doubt_is_settled_by_its_next_owner(*, takes_effect: bool) -> None:
    """It comes back while the transaction is still open: held, then opened where that transaction left it."""
    thread = Thread(A, B)
    thread.place(A, 0)
    thread.place(B, 0)
    thread.publisher.is_reachable = False
    thread.publisher.answers.append(UNKNOWN)
    thread.publisher.takes_effect = takes_effect
    thread.pool.finish(at(B, 0))
    thread.pool.finish(at(A, 0))
    thread.revoke(A)  # the turn before the poll bursts, and loses the answer
    thread.group.unstable.add(A)
    thread.assign(A)
    assert (thread.transactions.state, len(thread.assignments.ledgers)) == (State.IN_DOUBT, 1)
    thread.publisher.is_reachable = True
    thread.group.unstable.clear()
    thread.assignments._held[A] = 0.0
    thread.turn(2)
    thread.place(A, 0)
    if not takes_effect:
        thread.finish(A, 0)
    assert sorted(thread.published()) == ["orders/0/0", "orders/1/0"]
    assert not thread.pool.orders


def test_unknown_outcome_inside_a_revoke_keeps_the_other_partitions() -> None:
    """The revoked ones are their new owner's; the rest is read back and sent again."""
    thread = Thread(A, B)
    thread.place(A, 0)
    thread.place(B, 0)
    thread.pool.finish(at(A, 0), at(B, 0))
    thread.publisher.answers.extend([ABORTED, UNKNOWN])
    thread.revoke(A)
    assert thread.transactions.state is State.IN_DOUBT
    thread.turn(2)
    assert thread.published() == ["orders/1/0"]
    assert thread.admission.in_hand == 0


def test_stop_publishes_finished_orders_and_hurries_the_producer() -> None:
    """One abort on the way changes nothing."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    thread.pool.finish(at(A, 0), at(A, 1), records=30)
    thread.publisher.answers.append(ABORTED)
    thread.loop.stop()
    thread.loop.run()
    assert thread.publisher.hurried == Pace().revoke_s
    assert thread.group.offsets[A] == (2, STAMP)
    assert thread.pool.cancelled[-1] is None


def test_stop_ends_although_every_transaction_aborts() -> None:
    """An order that is left is the next owner's: it is not waited for, and nothing of it is committed."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.pool.finish(at(A, 0))
    thread.publisher.answers.extend([ABORTED] * 100)

    def second_passes() -> None:
        thread.clock_at += 1.0

    thread.publisher.before_answer = second_passes
    thread.loop.stop()
    thread.loop.run()
    assert 0 < len(thread.publisher.published) <= Pace().revoke_s
    assert (thread.published(), thread.group.offsets[A]) == ([], (0, STAMP))


def test_stop_pauses_between_transactions_that_abort() -> None:
    """A topic that is missing does not come back within milliseconds: 4 s have room for eight tries."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.pool.finish(at(A, 0))
    thread.publisher.answers.extend([ABORTED] * 1000)

    def time_passes(_: Listener) -> None:
        thread.clock_at += 0.05

    thread.consumer.rebalances.extend([time_passes] * 1000)
    thread.loop.stop()
    thread.loop.run()
    assert 1 < len(thread.publisher.published) <= 9


def test_pause_ends_with_the_assignment() -> None:
    """Neither the loop nor the source remembers the pause."""
    thread = Thread(A, map_limit=10)
    thread.place(A, *range(9))
    assert A in thread.consumer.paused
    thread.revoke(A)
    thread.assign(A)
    assert A not in thread.consumer.paused
    assert thread.loop._paused == set()


def test_lag_grows_while_the_gate_is_shut() -> None:
    """Paused partitions are not fetched; their ends are asked for, so that an outage shows in the lag."""
    thread = Thread(A, B)
    thread.gate.is_shut = True
    thread.turn()
    thread.clock_at = 3.0  # longer than a short stop
    thread.turn()
    assert thread.consumer.paused == {A, B}
    for more in (90, 200):
        thread.consumer.ends = {A: more, B: 10}
        thread.clock_at += 1.5
        thread.turn(3)
        thread.clock_at += 1.5
        thread.turn()
        assert thread.lag.by_partition == {A: more, B: 10}
        assert {at: found.due for at, found in thread.loop.standings.items()} == {A: 0, B: 0}  # both are retry tiers


def test_quiet_worker_serves_its_producer_once_a_second() -> None:
    """The statistics and log lines of librdkafka wait for a call, and no transaction makes one."""
    thread = Thread(A)
    thread.publisher.served = 0
    for thread.clock_at in (1.5, 3.0):
        thread.turn(3)
    assert thread.publisher.served == 2


def test_revoke_publishes_only_the_revoked_partitions() -> None:
    """The others' results wait for their own transaction: what ails their group must not abort this one."""
    thread = Thread(A, B)
    thread.place(A, 0, 1)
    thread.place(B, 0)
    thread.pool.finish(at(A, 0), at(B, 0))
    thread.publisher.answers.append(ABORTED)
    thread.revoke(A)
    thread.turn()
    assert [[commit.partition for commit in commits] for _, commits in thread.publisher.published] == [[0, 1], [0], [1]]
    assert thread.published() == ["orders/0/0", "orders/1/0"]


def test_ages_of_orders_and_commits_are_kept_by_partition() -> None:
    """By partition; an order ends with the commit that covers it, a partition with its assignment."""
    thread = Thread(A, B)
    thread.place(A, 0, 1)
    thread.place(B, 0)
    ages = thread.ages
    assert sorted(ages.oldest()) == [A, B]
    assert sorted(ages.commits()) == [A, B]
    came = ages.commits()[A]
    thread.finish(A, 0, 1)
    thread.revoke(B)
    assert ages.oldest() == {}
    assert list(ages.commits()) == [A]
    assert ages.commits()[A] > came


def test_groups_without_an_obstacle_are_reported_once() -> None:
    """Both groups may have joined before the first look: the worker must not stay unready."""
    thread = Thread(A)
    thread.turn(2)
    reports = [happening for happening in thread.complaints.happenings if isinstance(happening, GroupsChanged)]
    assert reports == [GroupsChanged({})]


def test_obstacles_of_the_groups_are_reported_when_they_change() -> None:
    """One report for each change, after the poll that brought it."""
    thread = Thread(A)
    thread.complaints.happenings.clear()
    for why_not in ("the group is full", "the group is full", None):
        thread.consumer.why_not = why_not
        thread.turn()
    reports = [happening for happening in thread.complaints.happenings if isinstance(happening, GroupsChanged)]
    assert reports == [GroupsChanged({"journeys": "the group is full"}), GroupsChanged({})]


def test_partition_held_for_30_s_is_an_obstacle_of_its_group() -> None:
    """The transaction of another producer does not end; the other partitions are read."""
    thread = Thread(A)
    thread.group.unstable.add(B)
    thread.assign(B)
    thread.turn()
    thread.complaints.happenings.clear()
    thread.clock_at += 31.0
    thread.turn()
    thread.group.unstable.clear()
    thread.clock_at += 1.0
    thread.turn(2)
    reports = [each for each in thread.complaints.happenings if isinstance(each, GroupsChanged)]
    assert reports == [
        GroupsChanged({"journeys": "orders/1 waits for a transaction that does not end"}),
        GroupsChanged({}),
    ]
