"""The Kafka thread: the one owner of the consumers, the producer and every ledger, so that there are no locks.

    poll ──► admission ──► pool (event loop) ──► results ──► transactions

This loop polls, follows rebalances, and pauses partitions. Callbacks of a rebalance run inside `poll`, on this thread:
a revoke publishes finished orders once more, then forgets the rest. Nothing here waits for HTTP.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.lag import Lag
from journeys.errors import HaltError
from journeys.worker.handover import Pool
from journeys.worker.happenings import Assigned, GroupsChanged, Hooks, Measured, OrdersWaiting, Revoked
from journeys.worker.kafka_thread.admission import Admission
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.kafka_thread.results import PendingResults
from journeys.worker.kafka_thread.standing import Standing
from journeys.worker.kafka_thread.states import State
from journeys.worker.kafka_thread.topic_watch import TopicWatch
from journeys.worker.kafka_thread.transactions import Transactions


@dataclass(kw_only=True, eq=False)
class KafkaLoop:
    """Runs until stopped. Only the Kafka thread calls its methods, apart from `stop` and `leave`."""

    consumers: OrderConsumers
    topics: TopicWatch
    assignments: Assignments
    admission: Admission
    results: PendingResults
    transactions: Transactions
    pool: Pool
    ages: Ages
    lag: Lag
    pace: Pace
    hooks: Hooks
    clock: Clock
    _paused: set[Partition] = field(init=False, default_factory=set)
    _obstacles: Mapping[str, str] | None = field(init=False, default=None)  # as reported last
    _polled_at: float = field(init=False, default=0.0)
    _measured_at: float = field(init=False, default=0.0)
    _stopping: threading.Event = field(init=False, default_factory=threading.Event)
    standings: Mapping[Partition, Standing] = field(init=False, default_factory=dict)
    """How far each partition is, as of the last measurement; replaced whole. Any thread may read it."""
    turned_at: float | None = field(init=False, default=None)
    """When the last turn began, in seconds of the monotonic clock; None while it does not run."""

    def stop(self) -> None:
        """Ask the loop to end, and a transaction under way with it. Any thread may call it; never blocks."""
        self._stopping.set()
        self.transactions.hurry()

    def run(self) -> None:
        """Join the groups, work until stopped, then commit finished orders. Raises HaltError."""
        self.topics.ask_and_wait()  # partitions of a topic without an id would be held
        self.consumers.subscribe(self)
        try:
            while not self._stopping.is_set():
                self.step()
            self.pool.cancel(None)
            self._finish()
        except HaltError:
            self.topics.ask_and_wait()  # a topic that was created again may be the cause: then it raises that
            raise
        finally:
            self.turned_at = None

    def leave(self) -> None:
        """Leave the groups, after `run`. Any thread may call it; it may block for minutes behind a pending join."""
        self.consumers.close()

    def step(self) -> None:
        """One turn: take results, publish them when it is time, poll, admit orders."""
        self.turned_at = now = self.clock.monotonic()
        self._measure(now)
        self.topics.look(now)
        self.results.collect()
        self.transactions.work(now, in_hand=self.admission.in_hand)
        self.assignments.ask_again(now)
        self.admission.update(now)
        if self.admission.is_open:
            self.admission.submit_due()  # first: new orders would take all the room
            self._serve(self._patience(), max(1, self.admission.room))
        else:
            self.admission.break_deadlock()
            self._wait_for_room(now)
        self._set_pauses()

    def _finish(self) -> None:
        """Commit finished orders. Those that cannot be committed in time are left to the next owner."""
        deadline = self.clock.monotonic() + self.pace.revoke_s
        self.results.collect()
        next_try = -math.inf  # the first one at once, whatever failed before
        while self.transactions.state is not State.IN_DOUBT and (left := deadline - self.clock.monotonic()) > 0:
            if self.transactions.state is State.READY and self.clock.monotonic() >= next_try:
                if self.transactions.burst(left) is None:
                    return
                next_try = self.transactions.back_off.until
            self._serve(self._patience(), 1)

    # -- polling

    def _patience(self) -> float:
        """How long a poll may wait, in seconds: until the next burst is due, at most."""
        due = self.transactions.next_at(in_hand=self.admission.in_hand)
        return self.pace.poll_s if due is None else max(0.0, min(self.pace.poll_s, due - self.clock.monotonic()))

    def _serve(self, timeout_s: float, limit: int) -> None:
        self._polled_at = self.clock.monotonic()
        self.transactions.polled()
        self.admission.admit(self.consumers.poll(timeout_s, limit))
        self.assignments.reached(self.consumers.take_ends())
        if (obstacles := self._find_obstacles()) != self._obstacles:
            self._obstacles = obstacles
            self.hooks.notify(GroupsChanged(obstacles))

    def _find_obstacles(self) -> Mapping[str, str]:
        """Why each group cannot read all its topics; a group is left out while it can."""
        obstacles = self.consumers.obstacles
        for partition in self.assignments.held_longer_than(self.pace.held_s):
            topic, number = partition
            held = f"{topic}/{number} waits for a transaction that does not end"
            obstacles.setdefault(self.consumers.group_by_topic[topic], held)
        return obstacles

    def _wait_for_room(self, now: float) -> None:
        # Longer than until the next result: at full load one comes each half millisecond, and to wake up for it takes
        # the interpreter's lock from the event loop.
        self.clock.sleep(min(self._patience(), self.pace.full_s))
        if self.transactions.state is State.ABORTED or now - self._polled_at >= self.pace.poll_when_full_s:
            self._serve(0, 1)

    def _set_pauses(self) -> None:
        """Pause the partitions that must not be read on, resume those that may."""
        for partition, ledger in self.assignments.ledgers.items():
            stop = self.admission.must_pause(partition, ledger)
            if stop and partition not in self._paused:
                self.consumers.pause([partition])
                self._paused.add(partition)
            elif not stop and partition in self._paused:
                self.consumers.resume([partition])
                self._paused.discard(partition)

    def _measure(self, now: float) -> None:
        """Measure all partitions once a second; in the turns between, ask for the ends of paused partitions."""
        if now - self._measured_at <= 1:
            self.lag.ask()
            return
        self._measured_at = now
        self.transactions.serve()
        watermarks = {partition: ledger.watermark for partition, ledger in self.assignments.ledgers.items()}
        self.lag.measure(watermarks, self._paused)
        self.standings = self.admission.standings(self.lag.by_partition, self._paused)
        self.hooks.notify(OrdersWaiting(self.admission.not_due, self.admission.next_due))
        oldest_s = now - min(self.ages.oldest().values(), default=now)
        self.hooks.notify(Measured(self.admission.in_hand, self.lag.by_partition, oldest_s))

    # -- rebalances; the consumers call these inside `poll`

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Take over partitions, each at the offset that its last owner committed. Raises HaltError."""
        self.topics.ask_now()
        self.assignments.take_over(partitions)
        self.ages.assigned(partitions, self.clock.monotonic())
        self._set_pauses()
        self.hooks.notify(Assigned(partitions))

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Cancel the HTTP of these partitions, publish their finished orders, forget the rest. Raises HaltError."""
        self.pool.cancel(self.assignments.epochs_of(partitions))
        self.results.collect()
        # No poll is possible in here, so an abort leaves its orders to the new owner. Only these partitions: a
        # rebalance of the other group at the same moment must not abort their transaction.
        if self.transactions.state is State.READY:
            self.transactions.burst(self.pace.revoke_s, partitions)
        self._forget(partitions)
        self.hooks.notify(Revoked(partitions, lost=False))

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Forget these partitions and commit nothing for them: they already have a new owner."""
        self.pool.cancel(self.assignments.epochs_of(partitions))
        self._forget(partitions)
        self.hooks.notify(Revoked(partitions, lost=True))

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self.assignments.forget(partitions)
        self.ages.forget(partitions)
        self._paused.difference_update(partitions)
        self.lag.forget(partitions)
        self.results.forget()
        self.admission.forget()
