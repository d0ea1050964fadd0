"""The Kafka thread: the one owner of the consumer, the producer and every ledger, so that there are no locks.

    poll ─► admit ─► pool (event loop) ─► finished ─► gather ─► burst: one transaction
      ▲                                                            │
      └────────────── abort: poll once, then send the rest again ──┘

A burst is begin, produce, offsets, commit, with no poll in between: `states` says what may follow what. Callbacks of a
rebalance run inside `poll`, on this thread; on a revoke they burst once more, then forget. Nothing here waits for HTTP.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.ledger import Commit, covered
from journeys.errors import HaltError
from journeys.model import OffsetCommit, OrderMessage
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.handover import AdmittedOrder, Backlog, FinishedOrder
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds, Intake
from journeys.worker.kafka_thread.results import PendingResults, partition_of
from journeys.worker.kafka_thread.scheduled import ScheduledOrders
from journeys.worker.kafka_thread.states import FIRST, NEXT, Happening, State, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The times and sizes of the Kafka thread; times in seconds."""

    linger: float = 0.1
    """How long finished orders gather for one transaction, at most."""
    max_records: int = 20_000
    """Records of one transaction (see `PendingResults`)."""
    poll: float = 0.05
    full: float = 0.005
    """How long to let results pile up before the next look, while nothing may be taken in."""
    poll_when_full: float = 0.1
    transaction: float = 30.0
    """A transaction that takes longer is given up: its outcome is read back."""
    revoke: float = 4.0
    """The same, while a rebalance or a stop waits for it."""
    recover: float = 4.0


class Observer(Protocol):
    """Who logs and counts what the Kafka thread does; called on it, must be cheap."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Partitions came."""

    def revoked(self, partitions: Sequence[Partition], *, lost: bool) -> None:
        """Partitions went."""

    def skipped(self, message: OrderMessage) -> None:
        """A message with a null value was skipped."""

    def transaction(self, result: Result, finished: Sequence[FinishedOrder], seconds: float) -> None:
        """A transaction ended."""

    def recovered(self, published: int, owed: int) -> None:
        """The outcome of a transaction was read back: so many orders had been published, so many are sent again."""

    def unreachable(self, reason: str) -> None:
        """Kafka does not answer; the loop goes on asking."""

    def waiting(self, orders: int, next_due: float | None) -> None:
        """So many orders are not due yet, the next one at a time in seconds since the epoch; told about each second."""


class Gate(Protocol):
    """Whether orders may come in; read on the Kafka thread, kept by the event loop."""

    @property
    def wants_one_more(self) -> bool:
        """One more order is wanted although the gate is shut."""

    def admit_one(self) -> None:
        """The order that was wanted is in. Never blocks."""

    @property
    def is_shut(self) -> bool:
        """No orders are taken in."""


class KafkaLoop:
    """Runs until stopped. Every method but `stop` belongs to the Kafka thread.

    `due_ms` tells when a message is due, None for at once; it is given the time too, both in milliseconds since the
    epoch. `replace_oversized` makes the dead letter of a journey with a record that Kafka does not take.
    """

    def __init__(
        self,
        *,
        publisher: Publisher,
        pool: OrderPool,
        backlog: Backlog,
        assignments: Assignments,
        bounds: Bounds,
        pace: Pace,
        due_ms: Callable[[OrderMessage, int], int | None],
        gate: Gate,
        replace_oversized: Callable[[FinishedOrder], FinishedOrder],
        bytes_in_progress: Callable[[], int],
        observer: Observer,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._publisher = publisher
        self._pool = pool
        self._backlog = backlog
        self._assignments = assignments
        self._bounds = bounds
        self._pace = pace
        self._due_ms = due_ms
        self._gate = gate
        self._replace_oversized = replace_oversized
        self._bytes_in_progress = bytes_in_progress
        self._observer = observer
        self._intake = Intake(bounds)
        self._waiting = ScheduledOrders()
        self._paused: set[Partition] = set()
        self._results = PendingResults(backlog, max_records=pace.max_records)
        self.ages = Ages()
        """Of what is in hand, and of the commits; any thread may read it."""
        self.state = FIRST
        """How it stands with transactions."""
        self._was_fenced = False
        self._setbacks = 0  # in a row: transactions that were not committed, recoveries that did not work out
        self._burst_not_before = 0.0
        self._burst_at = -math.inf
        self._last_poll = 0.0
        self._fences: list[float] = []
        self._stopping = threading.Event()
        self._source: OrderConsumers | None = None
        self.on_beat: Callable[[float], object] = lambda _now: None
        """Told the monotonic time at each turn."""
        self.lag: dict[Partition, int] = {}
        """Orders not published yet by partition, about a second old; replaced whole, so any thread may read."""
        self._lag_at = 0.0
        self._ends: dict[Partition, int] = {}  # of paused partitions, as they were when asked for
        self._to_ask: set[Partition] = set()

    # -- life

    def stop(self) -> None:
        """Ask the loop to end, and what is under way with it; may be called from any thread."""
        self._stopping.set()
        self._publisher.hurry(self._pace.revoke)

    def run(self, connect: Callable[[KafkaLoop], OrderConsumers]) -> None:
        """Work until stopped, then commit what is finished. Raises HaltError."""
        self._source = connect(self)
        while not self._stopping.is_set():
            self.step()
        self._pool.cancel(None)
        self._finish()

    def leave(self) -> None:
        """Leave the group. For after `run`, on any thread; may block for long behind a pending join."""
        if self._source is not None:
            self._source.close()

    def step(self) -> None:
        """One turn: take results, publish them when it is time, poll, admit."""
        now = self._clock.monotonic()
        self.on_beat(now)
        if now - self._lag_at > 1:
            self._lag_at = now
            self._measure_lag()
            self._observer.waiting(self.not_due, self.next_due)
        elif self._to_ask:
            self._ask_for_an_end()
        self._gather()
        if self.state is State.IN_DOUBT:
            if now >= self._burst_not_before:
                self._recover()
        elif self._is_due(now):
            self._burst(self._pace.transaction)
        self._assignments.ask_again(self.source, now)
        self._intake.update(room=self.room, now=now, wants_one_more=self._gate.wants_one_more)
        if self._intake.open:
            self._submit_due(max(0, self.room))  # first: new orders would take whatever room there is
            self._serve(self._patience(), max(1, self.room))
        else:
            # Where all that is in hand waits for an order that is still to come in, there will never be room for it.
            self._submit_due(int(self._backlog.is_blocked and self.in_hand <= len(self._results)))
            self._wait_for_room(now)
        self._set_pauses()

    def _finish(self) -> None:
        """The last transactions. What they cannot settle in time, the next owner settles from Kafka."""
        deadline = self._clock.monotonic() + self._pace.revoke
        self._gather()
        while self.state is not State.IN_DOUBT and (left := deadline - self._clock.monotonic()) > 0:
            if self.state is State.READY and self._burst(left) is None:
                return
            self._serve(self._patience(), 1)

    @property
    def source(self) -> OrderConsumers:
        """Where orders come from."""
        assert self._source is not None, "the loop runs only after it is connected"  # noqa: S101
        return self._source

    @property
    def in_hand(self) -> int:
        """Orders admitted and not published, without those that are not due yet."""
        return self._assignments.unpublished - len(self._waiting)

    @property
    def bytes_in_hand(self) -> int:
        """Bytes of the orders in hand, of journeys half read, and of records that are not published yet."""
        return self._results.bytes + self._bytes_in_progress()

    @property
    def not_due(self) -> int:
        """Orders that wait for their time."""
        return len(self._waiting)

    @property
    def next_due(self) -> float | None:
        """When the next of them is due, seconds since the epoch."""
        due = self._waiting.next_due
        return None if due is None else due / 1000

    @property
    def room(self) -> int:
        """How many orders more may be admitted."""
        room = self._bounds.room(orders=self.in_hand, in_bytes=self.bytes_in_hand)
        return min(room, int(self._gate.wants_one_more)) if self._gate.is_shut else room

    @property
    def partitions(self) -> int:
        """Partitions being read."""
        return len(self._assignments.ledgers)

    # -- intake

    def _patience(self) -> float:
        """How long to wait: not beyond the moment when a burst is due."""
        if self._results.oldest_at is None:
            return self._pace.poll
        due = max(self._gathered_at(self._results.oldest_at), self._burst_not_before)
        return max(0.0, min(self._pace.poll, due - self._clock.monotonic()))

    def _serve(self, timeout: float, limit: int) -> None:
        self._last_poll = self._clock.monotonic()
        self._now(Step.POLL)
        self._admit(self.source.poll(timeout, limit))

    def _wait_for_room(self, now: float) -> None:
        # Not just until the next result: at full load one comes each half a millisecond, and to be woken for it is to
        # take the interpreter's lock from the event loop.
        self._clock.sleep(min(self._patience(), self._pace.full))
        if self.state is State.ABORTED or now - self._last_poll >= self._pace.poll_when_full:
            self._serve(0, 1)

    def _admit(self, messages: Sequence[OrderMessage]) -> None:
        now_ms = self._clock.wall_ms()
        admitted: list[AdmittedOrder] = []
        for message in messages:
            position = message.position
            ledger = self._assignments.ledgers.get((position.topic, position.partition))
            if ledger is None or not ledger.polled(position.offset):
                continue
            order = AdmittedOrder(epoch=ledger.epoch, message=message)
            due = self._due_ms(message, now_ms)
            if message.value is None:
                self._observer.skipped(message)
                self._results.admitted(order)
                self._take(_skipped(order, self._clock.monotonic()))
            elif due is not None and due > now_ms:
                self._waiting.add(order, due)
            else:
                admitted.append(order)
        self._submit(admitted)

    def _submit_due(self, limit: int) -> None:
        self._submit(self._waiting.due(self._clock.wall_ms(), limit))

    def _submit(self, orders: list[AdmittedOrder]) -> None:
        now = self._clock.monotonic()
        for order in orders:
            position = order.message.position
            self._results.admitted(order)
            self.ages.began((position.topic, position.partition), position.offset, now)
        if orders:
            self._gate.admit_one()
            self._pool.submit(orders)

    def _set_pauses(self) -> None:
        """Pause the partitions that must take no more, resume those that may."""
        for partition, ledger in self._assignments.ledgers.items():
            stop = self._intake.paused or not ledger.has_room() or self._waiting.is_full(partition)
            if stop and partition not in self._paused:
                self.source.pause([partition])
                self._paused.add(partition)
            elif not stop and partition in self._paused:
                self.source.resume([partition])
                self._paused.discard(partition)

    # -- results

    def _gather(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._backlog.results.get_nowait())

    def _take(self, finished: FinishedOrder) -> None:
        partition = self._assignments.partition_of(finished.epoch)
        if partition is None:  # late: for an assignment gone by
            return
        self._assignments.ledgers[partition].finish(finished.message.position.offset)
        self._results.add(finished)

    def _is_due(self, now: float) -> bool:
        if now < self._burst_not_before or self.state is not State.READY:
            return False
        oldest = self._results.oldest_at
        if oldest is None:
            return bool(self._assignments.unannounced)
        return now >= self._gathered_at(oldest) or len(self._results) * 2 >= self._bounds.orders

    def _gathered_at(self, oldest: float) -> float:
        """Until when results gather of which the first came at `oldest`.

        Where no order is on its way that could come along, a burst waits for nothing, but there are no more of them in
        a second than there would be otherwise.
        """
        others = self.in_hand > len(self._results)
        return (oldest if others else min(oldest, self._burst_at)) + self._pace.linger

    # -- transactions

    def _now(self, happened: Happening) -> None:
        self.state = NEXT[self.state, happened]

    def _burst(self, timeout: float, only: Collection[Partition] | None = None) -> Outcome | None:
        """Publish what is gathered, of all partitions or `only` these, in one transaction.

        What it does not cover stays gathered. None where there is nothing that can be published now.
        """
        commits, finished = self._plan(self._assignments.ledgers if only is None else only)
        if only is None:
            self._backlog.is_blocked = not commits and len(self._results) > 0
        if not commits:  # results beyond the watermark may wait for room in the map: no need to look at each turn
            self._burst_not_before = self._clock.monotonic() + self._pace.linger
            return None
        if not self.source.has_joined(topic for topic, _ in commits):  # the group does not know us yet: poll first
            self._now(Step.STAY_OUT)
            return self._aborted(())
        self._now(Step.BEGIN)
        self._burst_at = began = self._clock.monotonic()
        result = self._publisher.publish(
            [order.records for order in finished],
            self.source.in_groups(_offset_commit(partition, commit) for partition, commit in commits.items()),
            timeout=timeout,
        )
        self._now(result.outcome)
        self._observer.transaction(result, finished, self._clock.monotonic() - began)
        if result.outcome is Outcome.ABORTED:
            return self._aborted([finished[index] for index in result.oversized])
        if result.outcome is Outcome.UNKNOWN:
            self._publisher.discard()
            self._was_fenced = result.fenced
            self._back_off()
        else:
            self._setbacks = 0
            self._settle(commits)
        return result.outcome

    def _plan(self, partitions: Collection[Partition]) -> tuple[dict[Partition, Commit], list[FinishedOrder]]:
        """The commit of each of these that has something to say, and the results that go with them."""
        ledgers = self._assignments.ledgers
        commits, finished = self._results.plan(ledgers, partitions)
        for partition in self._assignments.unannounced.intersection(partitions) - commits.keys():
            commits[partition] = ledgers[partition].commit(())
        return commits, finished

    def _settle(self, commits: Mapping[Partition, Commit]) -> None:
        """These commits took effect."""
        for done in self._results.settle(commits):
            self.ages.ended(partition_of(done), done.message.position.offset)
        for partition, commit in commits.items():
            self._assignments.ledgers[partition].published(commit)
        self.ages.committed(commits, self._clock.monotonic())
        self._assignments.announced(commits)

    def _aborted(self, oversized: Sequence[FinishedOrder]) -> Outcome:
        """Back off where aborts follow one another."""
        for order in oversized:
            self._results.replace(order, self._replace_oversized(order))
        if oversized:  # that is progress: the same abort does not come again
            self._setbacks = 0
        self._back_off()
        return Outcome.ABORTED

    def _back_off(self) -> None:
        self._burst_not_before = self._clock.monotonic() + min(5.0, 0.02 * 2**self._setbacks)
        self._setbacks = min(self._setbacks + 1, 10)

    def _recover(self) -> None:
        """The last outcome is unknown: read back from Kafka what took effect, before anything is sent again.

        Resending without this read doubles: of eleven commits given up for lost, three had taken effect.
        """
        deadline = self._clock.monotonic() + self._pace.recover
        try:
            self._publisher.rebuild(timeout=self._pace.recover)
            effects = {partition: self._effect(partition, deadline) for partition in self._results.partitions}
        except TimeoutError as late:
            self._now(Step.NO_ANSWER)
            self._publisher.discard()
            self._back_off()
            self._observer.unreachable(str(late))
            return
        self._now(Step.READ_BACK)
        self._settle({partition: effect for partition, effect in effects.items() if effect.covers})
        self._observer.recovered(sum(len(effect.covers) for effect in effects.values()), len(self._results))
        if self._was_fenced:
            self._was_fenced = False
            self._count_fence()

    def _effect(self, partition: Partition, deadline: float) -> Commit:
        """What the group's committed offset covers of the results in hand. Raises TimeoutError."""
        found = self.source.committed(partition, timeout=max(0.1, deadline - self._clock.monotonic()))
        watermark, metadata = found or (0, "")
        covers = covered(self._results.offsets(partition), watermark=watermark, metadata=metadata)
        return Commit(watermark=watermark, metadata=metadata, covers=covers)

    def _count_fence(self) -> None:
        """A fence is a time-out, or another process with the same transactional.id; only the latter keeps on."""
        now = self._clock.monotonic()
        self._fences = [*(at for at in self._fences if now - at < 300), now]
        if len(self._fences) >= 3:
            raise HaltError(
                "this producer was fenced three times within 5 minutes: another worker uses the same instance id"
                " (JOURNEYS_KAFKA__INSTANCE_ID)"
            )

    # -- rebalances; called by the source, inside poll

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Take over partitions, each where its last owner left it."""
        self._assignments.take_over(self.source, partitions)
        self.ages.assigned(partitions, self._clock.monotonic())
        self._set_pauses()
        self._observer.assigned(partitions)

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Cancel their HTTP, publish what is finished, forget the rest."""
        self._pool.cancel(self._assignments.epochs_of(partitions))
        self._gather()
        # No poll is possible in here, so what an abort leaves over is left to the new owner. Only theirs: a rebalance
        # of the other group at the same moment must not abort it.
        if self.state is State.READY:
            self._burst(self._pace.revoke, partitions)
        self._forget(partitions)
        self._observer.revoked(partitions, lost=False)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """They have a new owner already: forget, and commit nothing for them."""
        self._pool.cancel(self._assignments.epochs_of(partitions))
        self._forget(partitions)
        self._observer.revoked(partitions, lost=True)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self._assignments.forget(partitions)
        self.ages.forget(partitions)
        self._paused.difference_update(partitions)
        self._to_ask.difference_update(partitions)
        self._results.forget(self._is_gone)
        self._waiting.forget(lambda admitted: self._is_gone(admitted.epoch))

    def _is_gone(self, epoch: int) -> bool:
        return self._assignments.partition_of(epoch) is None

    def _measure_lag(self) -> None:
        ledgers = self._assignments.ledgers
        ends = {partition: self._end(partition) for partition in ledgers}
        self.lag = {
            partition: max(0, end - ledgers[partition].watermark) for partition, end in ends.items() if end is not None
        }
        self._to_ask = set(self._paused)

    def _end(self, partition: Partition) -> int | None:
        """The newest end that is known. Never blocks."""
        ends = (self.source.known_end(partition), self._ends.get(partition))
        return max((end for end in ends if end is not None), default=None)

    def _ask_for_an_end(self) -> None:
        """A paused partition is not fetched, so nothing tells its end unless it is asked for: one at each turn."""
        partition = self._to_ask.pop()
        try:
            # Not impatient: librdkafka drops the connection, fetches and all, when one of its requests times out.
            self._ends[partition] = self.source.bounds(partition, timeout=1.0)[1]
        except TimeoutError:
            self._to_ask.clear()


def _offset_commit(partition: Partition, commit: Commit) -> OffsetCommit:
    topic, number = partition
    return OffsetCommit(topic=topic, partition=number, offset=commit.watermark, metadata=commit.metadata)


def _skipped(order: AdmittedOrder, at: float) -> FinishedOrder:
    return FinishedOrder(epoch=order.epoch, message=order.message, outcome="skipped", records=(), size=0, at=at)
