"""Transactions: publish results and commit their offsets, all or nothing, and find out what an unknown outcome was.

    ready ──► burst: begin, produce, offsets, commit ──► ready
                 │ aborted: poll once, then send the rest again
                 └ unknown: a new producer, read the committed offsets back, then send the rest again

A burst is one transaction, with no poll in it. `states` says which step may follow which.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.ledger import Commit, Committed
from journeys.errors import HaltError
from journeys.model import OffsetCommit
from journeys.producer.publisher import Outcome, Publisher
from journeys.routing import Routes
from journeys.worker.handover import FinishedOrder
from journeys.worker.happenings import Hooks, KafkaUnreachable, OutcomeRecovered, TransactionEnded
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.kafka_thread.results import PendingResults, partition_of
from journeys.worker.kafka_thread.states import FIRST, NEXT, State, Step, Trigger
from journeys.worker.oversized import replace_oversized

_FENCES = 3
"""Fences within `_FENCES_WITHIN_S` that stop the worker."""
_FENCES_WITHIN_S = 300.0
_LOOK_S = 0.02
"""The least time between two looks at results that cannot be published yet."""


class BackOff:
    """The pause after a setback: a transaction that was not committed, or a recovery that failed. Sans-I/O."""

    def __init__(self) -> None:
        self.until = 0.0
        """When the next try may begin, in seconds of the monotonic clock."""
        self.setbacks = 0
        """Setbacks in a row, up to 10."""

    def failed(self, now: float) -> None:
        """Wait for 20 ms after the first setback in a row, then twice as long each time, up to 5 s."""
        self.until = now + min(5.0, 0.02 * 2**self.setbacks)
        self.setbacks = min(self.setbacks + 1, 10)

    def succeeded(self) -> None:
        """Begin anew at the next setback."""
        self.setbacks = 0


class Fences:
    """Counts how often this producer was fenced. Sans-I/O.

    A fence comes from a time-out, or from another process with the same transactional.id. Only the latter repeats.
    """

    def __init__(self) -> None:
        self._times: list[float] = []
        self.is_open = False
        """Whether the unknown outcome in hand came from a fence."""

    def settled(self, now: float) -> None:
        """Count the fence, if there was one: its outcome was read back. Raises HaltError for the third in 5 min."""
        if not self.is_open:
            return
        self.is_open = False
        self._times = [*(at for at in self._times if now - at < _FENCES_WITHIN_S), now]
        if len(self._times) >= _FENCES:
            raise HaltError(
                "this producer was fenced three times within 5 minutes: another worker uses the same instance id"
                " (JOURNEYS_KAFKA__INSTANCE_ID)"
            )


@dataclass(kw_only=True, eq=False)
class Transactions:
    """Belongs to the Kafka thread; any thread may call `hurry`. `full_at` results begin a transaction at once.

    Methods block for as long as a transaction may take (`Pace`), and raise HaltError if Kafka refuses for good.
    """

    publisher: Publisher
    consumers: OrderConsumers
    assignments: Assignments
    results: PendingResults
    ages: Ages
    routes: Routes
    pace: Pace
    full_at: float
    hooks: Hooks
    clock: Clock
    state: State = field(init=False, default=FIRST)
    back_off: BackOff = field(init=False, default_factory=BackOff)
    _fences: Fences = field(init=False, default_factory=Fences)
    _burst_at: float = field(init=False, default=-math.inf)

    def hurry(self) -> None:
        """Let what is under way, and all that follows, end within `Pace.revoke_s`. Never blocks."""
        self.publisher.hurry(self.pace.revoke_s)

    def polled(self) -> None:
        """Note that the consumer is about to be polled. Raises KeyError inside a transaction: that is a defect."""
        self._step(Step.POLL)

    def serve(self) -> None:
        """Serve the producer, as `Publisher.serve`: a quiet worker has no transaction that would."""
        self.publisher.serve()

    def work(self, now: float, *, in_hand: int) -> None:
        """Recover or burst, if it is time; `in_hand` is the number of orders admitted and not published."""
        if self.state is State.IN_DOUBT:
            if now >= self.back_off.until:
                self._recover()
        elif self._is_due(now, in_hand):
            self.burst(self.pace.transaction_s)

    def next_at(self, *, in_hand: int) -> float | None:
        """When the next burst is due, in seconds of the monotonic clock; None while there is no result."""
        oldest = self.results.oldest_at
        return None if oldest is None else max(self._gathered_at(oldest, in_hand), self.back_off.until)

    def burst(self, timeout_s: float, only: Collection[Partition] | None = None) -> Outcome | None:
        """Publish the results of all partitions, or of `only` these, in one transaction of at most `timeout_s`.

        Results that it does not cover stay. Returns None if nothing can be published now.
        """
        commits, finished = self._plan(self.assignments.ledgers if only is None else only)
        if only is None:
            self.results.backlog.is_blocked = not commits and len(self.results) > 0
        if not commits:  # results beyond the watermark may wait for room in the map: look again after a while
            self.back_off.until = self.clock.monotonic() + max(self.pace.linger_s, _LOOK_S)
            return None
        if not self.consumers.has_joined(topic for topic, _ in commits):
            self._step(Step.STAY_OUT)
            return self._aborted(())
        self._step(Step.BEGIN)
        self._burst_at = began = self.clock.monotonic()
        result = self.publisher.publish(
            [order.records for order in finished],
            self.consumers.in_groups(_offset_commit(partition, commit) for partition, commit in commits.items()),
            timeout_s=timeout_s,
        )
        self._step(result.outcome)
        self.hooks.notify(TransactionEnded(result, finished, self.clock.monotonic() - began))
        if result.outcome is Outcome.ABORTED:
            return self._aborted([finished[index] for index in result.oversized])
        if result.outcome is Outcome.UNKNOWN:
            self.publisher.discard()
            self._fences.is_open = result.fenced
            self.back_off.failed(self.clock.monotonic())
        else:
            self.back_off.succeeded()
            self._settle(commits)
        return result.outcome

    def _step(self, trigger: Trigger) -> None:
        self.state = NEXT[self.state, trigger]

    def _is_due(self, now: float, in_hand: int) -> bool:
        if now < self.back_off.until or self.state is not State.READY:
            return False
        oldest = self.results.oldest_at
        if oldest is None:
            return bool(self.assignments.unannounced) and now >= self._burst_at + self.pace.linger_s
        return now >= self._gathered_at(oldest, in_hand) or len(self.results) >= self.full_at

    def _gathered_at(self, oldest: float, in_hand: int) -> float:
        """Until when results gather, if the first of them was finished at `oldest`.

        If no other order is in hand, nothing more can gather: the burst comes one linger after the last one.
        """
        others = in_hand > len(self.results)
        return (oldest if others else min(oldest, self._burst_at)) + self.pace.linger_s

    def _plan(self, partitions: Collection[Partition]) -> tuple[dict[Partition, Commit], list[FinishedOrder]]:
        """The commits of the next transaction and the orders that they cover; also commits of offsets alone."""
        commits, finished = self.results.plan(partitions)
        for partition in self.assignments.unannounced.intersection(partitions) - commits.keys():
            commits[partition] = self.assignments.ledgers[partition].commit(())
        return commits, finished

    def _settle(self, commits: Mapping[Partition, Commit]) -> None:
        """Record that these commits took effect."""
        for done in self.results.settle(commits):
            self.ages.ended(partition_of(done), done.message.position.offset)
        for partition, commit in commits.items():
            self.assignments.ledgers[partition].published(commit)
        self.ages.committed(commits, self.clock.monotonic())
        self.assignments.announced(commits)

    def _aborted(self, oversized: Sequence[FinishedOrder]) -> Outcome:
        """Replace the orders that Kafka rejects, and back off."""
        for order in oversized:
            self.results.replace(order, replace_oversized(order, self.routes, now_ms=self.clock.wall_ms()))
        if oversized:  # that is progress: the same abort does not come again
            self.back_off.succeeded()
        self.back_off.failed(self.clock.monotonic())
        return Outcome.ABORTED

    def _recover(self) -> None:
        """Read back from Kafka whether the last transaction took effect, before anything is sent again.

        Resending without this read doubles: of eleven commits abandoned for lost, three had taken effect.
        """
        deadline = self.clock.monotonic() + self.pace.recover_s
        try:
            self.publisher.rebuild(timeout_s=self.pace.recover_s)
            effects = {partition: self._effect(partition, deadline) for partition in self.results.partitions}
        except TimeoutError as late:
            self._step(Step.NO_ANSWER)
            self.publisher.discard()
            self.back_off.failed(self.clock.monotonic())
            self.hooks.notify(KafkaUnreachable(str(late)))
            return
        self._step(Step.READ_BACK)
        self._settle({partition: effect for partition, effect in effects.items() if effect.covers})
        published = sum(len(effect.covers) for effect in effects.values())
        self.hooks.notify(OutcomeRecovered(published=published, owed=len(self.results)))
        self._fences.settled(self.clock.monotonic())

    def _effect(self, partition: Partition, deadline: float) -> Commit:
        """The part of the results in hand that the group's committed offset covers. Raises TimeoutError."""
        found = self.consumers.committed(partition, timeout_s=max(0.1, deadline - self.clock.monotonic()))
        watermark, metadata = found or (0, "")
        committed = Committed.of(watermark, metadata)
        covers = frozenset(filter(committed.covers, self.results.offsets(partition)))
        return Commit(watermark=watermark, metadata=metadata, covers=covers)


def _offset_commit(partition: Partition, commit: Commit) -> OffsetCommit:
    topic, number = partition
    return OffsetCommit(topic=topic, partition=number, offset=commit.watermark, metadata=commit.metadata)
