"""The Kafka thread against a group, a producer and a pool in memory: rebalances, doubts and full hands."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
from tests.support.worker_fakes import Complaints, FakeConsumer, FakeGate, FakePool, FakePublisher, Group

from journeys.clock import Clock
from journeys.consumer import offset_map
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.lag import Lag
from journeys.errors import HaltError
from journeys.model import OrderMessage, Position
from journeys.producer.publisher import Outcome, Result
from journeys.routing import Routes
from journeys.worker.handover import Backlog
from journeys.worker.hooks import Hooks
from journeys.worker.kafka_thread.admission import Admission
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.loop import KafkaLoop
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.kafka_thread.results import PendingResults
from journeys.worker.kafka_thread.scheduled import Schedule
from journeys.worker.kafka_thread.states import State
from journeys.worker.kafka_thread.transactions import Transactions

A: Partition = ("orders", 0)
B: Partition = ("orders", 1)
UNKNOWN = Result(outcome=Outcome.UNKNOWN, reason="no answer")
ABORTED = Result(outcome=Outcome.ABORTED, reason="a rebalance")
FOR_EVER = (b"9" * 15).decode()


def at(partition: Partition, offset: int) -> Position:
    """A position, briefly."""
    return Position(topic=partition[0], partition=partition[1], offset=offset)


class NothingRead:
    """A fetcher that reads no journey."""

    bytes_in_hand = 0


class Thread:
    """A Kafka loop that is turned by hand; it has an assignment and a producer."""

    def __init__(
        self, *partitions: Partition, bounds: Bounds | None = None, map_limit: int = 4000, linger: float = 0.1
    ) -> None:
        self.group = Group()
        self.publisher = FakePublisher(self.group)
        self.gate = FakeGate()
        self.complaints = Complaints()
        self.clock_at = 0.0
        self.clock = Clock(wall=lambda: time.time() + self.clock_at, monotonic=lambda: time.monotonic() + self.clock_at)
        self.consumer = FakeConsumer(self.group)
        consumers = OrderConsumers({self.consumer: ["orders"]})
        self.backlog = Backlog()
        self.pool = FakePool(self.backlog.results)
        self.assignments = Assignments(consumers, start="earliest", map_limit=map_limit, clock=self.clock)
        self.results = PendingResults(self.backlog, self.assignments, max_records=50)
        self.ages, self.lag, hooks = Ages(), Lag(consumers), Hooks(self.complaints)
        bounds = bounds or Bounds(orders=100, bytes=10_000)
        pace = Pace(linger=linger, max_records=50, poll=0.0, poll_when_full=0.0)
        self.admission = Admission(
            assignments=self.assignments,
            results=self.results,
            pool=self.pool,
            gate=self.gate,
            memory=NothingRead(),
            schedule=Schedule(retry_topics=frozenset({"orders"}), longest=3600.0, settle=0),
            bounds=bounds,
            ages=self.ages,
            hooks=hooks,
            clock=self.clock,
        )
        self.transactions = Transactions(
            publisher=self.publisher,
            consumers=consumers,
            assignments=self.assignments,
            results=self.results,
            ages=self.ages,
            routes=Routes(retry_tiers=(), dead_letter="orders.dead-letter", empty_after=()),
            pace=pace,
            full_at=bounds.orders / 2,
            hooks=hooks,
            clock=self.clock,
        )
        self.loop = KafkaLoop(
            consumers=consumers,
            assignments=self.assignments,
            admission=self.admission,
            results=self.results,
            transactions=self.transactions,
            pool=self.pool,
            ages=self.ages,
            lag=self.lag,
            pace=pace,
            hooks=hooks,
            clock=self.clock,
        )
        consumers.subscribe(self.loop)
        self.assign(*partitions)
        self.turn()
        self.publisher.published.clear()

    def assign(self, *partitions: Partition) -> None:
        """At the next poll, these partitions come."""
        self.consumer.rebalances.append(lambda listener: listener.assigned(partitions))
        self.turn()

    def revoke(self, *partitions: Partition) -> None:
        """At the next poll, these partitions go."""
        self.consumer.rebalances.append(lambda listener: listener.revoked(partitions))
        self.turn()

    def turn(self, times: int = 1) -> None:
        """A turn of the loop, without any back-off before it."""
        for _ in range(times):
            self.transactions.back_off.until = 0.0
            self.loop.step()

    def place(self, partition: Partition, *offsets: int, size: int = 10, due: str | None = None) -> None:
        """Orders in Kafka, and a turn that reads them."""
        headers = () if due is None else (("not-before", due.encode()),)
        for offset in offsets:
            self.consumer.messages.append(
                OrderMessage(
                    position=at(partition, offset), key=None, value=b"x" * size, headers=headers, timestamp_ms=None
                )
            )
        self.turn()

    def finish(self, partition: Partition, *offsets: int, records: int = 1) -> None:
        """The pool has results, and a turn publishes them."""
        self.pool.finish(*(at(partition, offset) for offset in offsets), records=records)
        self.turn()

    def published(self) -> list[str]:
        """The orders whose records are visible, in order."""
        return [(record.key or b"").decode() for record in self.group.records]


def test_an_order_is_published_with_its_offset() -> None:
    """What is finished beyond a gap goes out at once, and the commit says so."""
    thread = Thread(A)
    thread.place(A, 0, 1, 2)
    thread.finish(A, 2)
    assert thread.published() == ["orders/0/2"]
    assert thread.group.offsets[A] == (0, offset_map.encode(0, [2]))
    thread.finish(A, 0, 1)
    assert thread.group.offsets[A] == (3, "")
    assert (thread.admission.in_hand, thread.admission.bytes_in_hand, thread.backlog.pending_bytes) == (0, 0, 0)


def test_results_gather_only_while_others_are_on_their_way() -> None:
    """An order alone is published at once, yet never a transaction sooner than the linger after the last."""
    thread = Thread(A, linger=3600)
    thread.clock_at += 3600
    thread.place(A, 0, 1)
    thread.pool.finish(at(A, 0), at=thread.clock.monotonic())
    thread.turn()
    assert thread.published() == []
    thread.pool.finish(at(A, 1), at=thread.clock.monotonic())
    thread.turn()
    assert thread.published() == ["orders/0/0", "orders/0/1"]
    thread.place(A, 2)
    thread.pool.finish(at(A, 2), at=thread.clock.monotonic())
    thread.turn()
    assert thread.published() == ["orders/0/0", "orders/0/1"]
    thread.clock_at += 3600
    thread.turn()
    assert thread.published() == ["orders/0/0", "orders/0/1", "orders/0/2"]


def test_a_late_result_of_an_assignment_gone_by_is_dropped() -> None:
    """The partition came back in between: its order is in hand under a new epoch, and published once."""
    thread = Thread(A)
    thread.place(A, 0)
    late = thread.pool.orders[at(A, 0)]
    thread.revoke(A)
    thread.assign(A)
    thread.place(A, 0)
    again = thread.pool.orders[at(A, 0)]
    assert again.epoch != late.epoch
    thread.pool.orders[at(A, 0)] = late
    thread.finish(A, 0)
    assert thread.published() == []
    thread.pool.orders[at(A, 0)] = again
    thread.finish(A, 0)
    assert thread.published() == ["orders/0/0"]
    assert (thread.admission.bytes_in_hand, thread.backlog.pending_bytes) == (0, 0)


def test_a_revoke_publishes_what_is_finished_and_forgets_the_rest() -> None:
    """The other partition is not touched."""
    thread = Thread(A, B)
    thread.place(A, 0, 1)
    thread.place(B, 0)
    thread.pool.finish(at(A, 1))
    thread.revoke(A)
    assert thread.published() == ["orders/0/1"]
    assert thread.group.offsets[A] == (0, offset_map.encode(0, [1]))
    assert (thread.admission.in_hand, thread.admission.bytes_in_hand, len(thread.assignments.ledgers)) == (1, 10, 1)


@pytest.mark.parametrize("takes_effect", [True, False])
def test_an_unknown_outcome_is_read_back_before_anything_is_sent_again(*, takes_effect: bool) -> None:
    """What had taken effect is done; what had not is sent again, without a new fetch."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    thread.publisher.answers.append(UNKNOWN)
    thread.publisher.takes_effect = takes_effect
    thread.finish(A, 0)
    assert thread.transactions.state is State.IN_DOUBT
    thread.turn(2)
    assert thread.published() == ["orders/0/0"]
    assert thread.group.offsets[A] == (1, "")
    assert thread.pool.submitted == [at(A, 0), at(A, 1)]


@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_partition_revoked_in_doubt_is_settled_by_its_next_owner(*, takes_effect: bool) -> None:
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


def test_an_outcome_lost_inside_a_revoke_leaves_the_other_partitions_whole() -> None:
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


def test_recovery_that_fails_again_and_again_loses_nothing() -> None:
    """Kafka comes back at the fourth try; each failure is told, and backs off."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.answers.append(UNKNOWN)
    thread.finish(A, 0)
    thread.publisher.is_reachable = False
    thread.turn(3)
    assert len(thread.complaints.reasons) == 3
    thread.loop.step()  # backed off: not asked
    assert len(thread.complaints.reasons) == 3
    thread.publisher.is_reachable = True
    thread.turn(2)
    assert thread.published() == ["orders/0/0"]


def test_outcomes_that_stay_unknown_back_off() -> None:
    """A producer that breaks at each transaction is not rebuilt in a tight loop."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.answers.extend([UNKNOWN] * 8)
    thread.finish(A, 0)
    for _ in range(7):
        thread.turn(2)
    assert thread.transactions.back_off.setbacks == 8
    rebuilt = thread.publisher.rebuilt
    for _ in range(20):
        thread.loop.step()
    assert thread.publisher.rebuilt == rebuilt


def test_three_fences_stop_the_worker() -> None:
    """Another process uses the same instance id."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.answers.extend([replace(UNKNOWN, fenced=True)] * 3)
    thread.finish(A, 0)
    with pytest.raises(HaltError, match="INSTANCE_ID"):
        thread.turn(6)


def test_an_oversized_record_takes_only_its_own_order_along() -> None:
    """Its dead letter goes out with the others' records, and the bytes add up."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    thread.publisher.answers.append(replace(ABORTED, oversized=frozenset({1})))
    thread.finish(A, 0, 1)
    thread.turn()
    assert [record.topic for record in thread.group.records] == ["journey.ads", "orders.dead-letter"]
    assert thread.group.offsets[A] == (2, "")
    assert (thread.admission.bytes_in_hand, thread.backlog.pending_bytes) == (0, 0)


def test_nothing_is_committed_before_the_group_knows_us() -> None:
    """An empty member id: poll first."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.consumer.is_member = False
    thread.finish(A, 0)
    assert thread.publisher.published == []
    thread.consumer.is_member = True
    thread.turn()
    assert thread.published() == ["orders/0/0"]


def test_retries_that_are_due_come_before_new_orders() -> None:
    """Under a backlog that takes all the room there is, retries still get their turn."""
    thread = Thread(A, B, bounds=Bounds(orders=2, bytes=10_000))
    thread.place(B, 0, due=FOR_EVER)
    thread.place(A, *range(8))
    assert thread.pool.submitted == [at(A, 0), at(A, 1)]
    waiting = thread.admission._scheduled
    waiting._heap = [(0, *entry[1:]) for entry in waiting._heap]  # its time has come
    thread.finish(A, 0, 1)
    assert at(B, 0) in thread.pool.submitted


def test_orders_that_wait_for_their_time_take_no_room() -> None:
    """However large they are: else nothing would move until they are due."""
    thread = Thread(A, B, bounds=Bounds(orders=100, bytes=100))
    thread.place(B, 0, 1, size=200, due=FOR_EVER)
    assert (thread.admission.not_due, thread.admission.in_hand, thread.admission.bytes_in_hand) == (2, 0, 0)
    thread.place(A, 0)
    assert thread.pool.submitted == [at(A, 0)]


def test_an_order_whose_time_has_come_finds_room_where_all_others_wait_for_it() -> None:
    """Its successor fills what may be in hand, and does not fit the map before it (seeds 1453 and 1583 stood still)."""
    thread = Thread(A, bounds=Bounds(orders=1, bytes=10_000), map_limit=4)
    thread.place(A, 0, 20, due=str(thread.clock.wall_ms() + 60_000))
    thread.turn()
    waiting = thread.admission._scheduled
    waiting._heap = sorted((0 if entry[3].message.position.offset else entry[0], *entry[1:]) for entry in waiting._heap)
    thread.turn()
    thread.finish(A, 20)
    assert (thread.pool.submitted, thread.backlog.is_blocked) == ([at(A, 20)], True)
    thread.turn()
    assert thread.pool.submitted == [at(A, 20)]
    thread.clock_at = 61.0
    thread.turn()
    assert thread.pool.submitted == [at(A, 20), at(A, 0)]
    thread.finish(A, 0)
    assert thread.group.offsets[A] == (21, "")


def test_results_that_do_not_fit_the_map_hold_up_nobody_else() -> None:
    """They wait for their partition's oldest order; when it comes, it is published though they fill a transaction."""
    thread = Thread(A, B, map_limit=4)
    thread.place(A, 0, 20)
    thread.place(B, 0)
    thread.finish(A, 20, records=60)
    assert thread.published() == []
    held_up = [thread.backlog.is_blocked]
    thread.finish(B, 0)
    assert thread.published() == ["orders/1/0"]
    assert [*held_up, thread.backlog.is_blocked] == [True, False]
    thread.finish(A, 0)
    thread.turn()
    assert thread.group.offsets[A] == (21, "")
    assert thread.published().count("orders/0/20") == 60


def test_results_that_cannot_be_published_yet_are_not_looked_at_in_a_tight_loop() -> None:
    """There is a pause before the next look."""
    thread = Thread(A, map_limit=4)
    thread.place(A, 0, 20)
    thread.finish(A, 20)
    assert thread.transactions.back_off.until > 0


def test_more_than_one_transaction_holds_is_published_by_several() -> None:
    """A bound on records, which a single journey may pass."""
    thread = Thread(A)
    thread.place(A, 0, 1, 2)
    thread.pool.finish(at(A, 0), at(A, 1), records=30)
    thread.pool.finish(at(A, 2), records=80)
    thread.turn(3)
    assert [orders for orders, _ in thread.publisher.published] == [1, 1, 1]
    assert thread.group.offsets[A] == (3, "")


def test_stopping_publishes_all_that_is_finished_and_hurries_the_producer() -> None:
    """One abort on the way changes nothing."""
    thread = Thread(A)
    thread.place(A, 0, 1)
    thread.pool.finish(at(A, 0), at(A, 1), records=30)
    thread.publisher.answers.append(ABORTED)
    thread.loop.stop()
    thread.loop.run()
    assert thread.publisher.hurried == Pace().revoke
    assert thread.group.offsets[A] == (2, "")
    assert thread.pool.cancelled[-1] is None


def test_stopping_ends_although_nothing_can_be_published() -> None:
    """What is left is the next owner's: it is not waited for, and nothing of it is committed."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.pool.finish(at(A, 0))
    thread.publisher.answers.extend([ABORTED] * 100)

    def second_passes() -> None:
        thread.clock_at += 1.0

    thread.publisher.before_answer = second_passes
    thread.loop.stop()
    thread.loop.run()
    assert 0 < len(thread.publisher.published) <= Pace().revoke
    assert (thread.published(), thread.group.offsets[A]) == ([], (0, ""))


def test_a_partition_paused_when_it_left_is_open_when_it_comes_back() -> None:
    """Neither the loop nor the source remembers the pause."""
    thread = Thread(A, map_limit=4)
    thread.place(A, *range(9))
    assert A in thread.consumer.paused
    thread.revoke(A)
    thread.assign(A)
    assert A not in thread.consumer.paused
    assert thread.loop._paused == set()


def test_a_shut_gate_takes_no_orders_in_and_one_when_it_is_hungry() -> None:
    """Not even retries that are due; then one, as a probe, and the others once it is open."""
    thread = Thread(A)
    for offset in range(4):
        thread.place(A, offset, due=str(thread.clock.wall_ms() + 60_000))
    thread.clock_at += 120.0
    thread.gate.is_shut = True
    thread.turn(3)
    assert (thread.admission.room, thread.pool.submitted) == (0, [])
    thread.gate.wants_one_more = True
    thread.turn(3)
    assert (thread.pool.submitted, thread.gate.wants_one_more) == ([at(A, 0)], False)
    thread.gate.is_shut = False
    thread.turn()
    assert thread.pool.submitted == [at(A, offset) for offset in range(4)]


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


def test_a_revoke_publishes_what_is_finished_of_the_partitions_that_go() -> None:
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


def test_an_abort_inside_a_poll_is_followed_by_another_poll_before_anything_is_sent() -> None:
    """The poll that was going on may have begun before the group changed its mind."""
    thread = Thread(A, B)
    thread.place(A, 0)
    thread.place(B, 0)
    thread.transactions.back_off.until = math.inf
    thread.pool.finish(at(A, 0), at(B, 0))
    thread.publisher.answers.append(ABORTED)
    thread.consumer.rebalances.append(lambda listener: listener.revoked([A]))
    thread.loop.step()
    assert thread.transactions.state is State.ABORTED
    thread.transactions.back_off.until = 0.0
    thread.loop.step()
    assert thread.published() == []
    thread.loop.step()
    assert thread.published() == ["orders/1/0"]


def test_an_abort_is_followed_by_a_poll_at_once_though_nothing_more_can_be_taken_in() -> None:
    """With full hands a poll comes now and then; after an abort, the next transaction waits for it."""
    thread = Thread(A, bounds=Bounds(orders=2, bytes=10_000))
    thread.place(A, 0, 1)
    thread.turn()
    thread.loop._pace = replace(thread.loop._pace, poll_when_full=3600.0)
    thread.pool.finish(at(A, 0))
    thread.publisher.answers.append(ABORTED)
    thread.turn()
    assert thread.transactions.state is State.READY
    thread.turn()
    assert thread.published() == ["orders/0/0"]


def test_a_poll_inside_a_transaction_ends_the_worker() -> None:
    """It could let stale offsets through: a worker that does so is wrong."""
    thread = Thread(A)
    thread.place(A, 0)
    thread.publisher.before_answer = lambda: thread.loop._serve(0, 1)
    thread.pool.finish(at(A, 0))
    with pytest.raises(KeyError):
        thread.turn()
    assert thread.published() == []


# -- what is shown of the work


def test_the_age_of_the_oldest_order_and_of_the_last_commit_are_known() -> None:
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
