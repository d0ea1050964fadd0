"""Admission: which polled orders are handed to the pool now, which wait for their time, and how many fit.

poll ──► ledger ──► due? ──► room and open gate? ──► pool
└ not yet: ScheduledOrders
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Ledger
from journeys.model import OrderMessage
from journeys.routing import Routes
from journeys.worker.handover import AdmittedOrder, FinishedOrder, IntakeGate, MemoryInUse, Pool
from journeys.worker.happenings import ForeignRetry, Hooks, MessageSkipped
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds, Intake
from journeys.worker.kafka_thread.results import PendingResults
from journeys.worker.kafka_thread.scheduled import Schedule, ScheduledOrders
from journeys.worker.kafka_thread.standing import Standing, Surveyor


@dataclass(kw_only=True, eq=False)
class Admission:
    """Belongs to the Kafka thread; any thread may read its numbers. Nothing here blocks."""

    assignments: Assignments
    results: PendingResults
    pool: Pool
    gate: IntakeGate
    memory: MemoryInUse
    schedule: Schedule
    bounds: Bounds
    routes: Routes
    ages: Ages
    hooks: Hooks
    clock: Clock
    _scheduled: ScheduledOrders = field(init=False, default_factory=ScheduledOrders)

    def __post_init__(self) -> None:
        self._intake = Intake(self.bounds)
        self._surveyor = Surveyor(scheduled=self._scheduled, ages=self.ages, retry_topics=self.schedule.retry_topics)

    @property
    def in_hand(self) -> int:
        """Orders admitted and not published, without those that are not due yet."""
        return self.assignments.unpublished - len(self._scheduled)

    @property
    def bytes_in_hand(self) -> int:
        """Bytes of the orders in hand, of journeys that are being read, and of records that are not published yet."""
        return self.results.bytes + self.memory.bytes_in_hand + self.results.backlog.results.bytes

    @property
    def not_due(self) -> int:
        """Orders that wait for their time."""
        return len(self._scheduled)

    @property
    def next_due(self) -> float | None:
        """When the next of them is due, in seconds since the epoch; None for no order."""
        due_ms = self._scheduled.next_due
        return None if due_ms is None else due_ms / 1000

    @property
    def room(self) -> int:
        """How many more orders may be admitted; 0 or less for none."""
        room = self.bounds.room(orders=self.in_hand, in_bytes=self.bytes_in_hand)
        return min(room, int(self.gate.wants_one_more)) if self.gate.is_shut else room

    @property
    def is_open(self) -> bool:
        """Whether orders are admitted, as of the last `update`."""
        return self._intake.open

    def standings(self, lag: Mapping[Partition, int], paused: Collection[Partition]) -> Mapping[Partition, Standing]:
        """How far each partition is; `lag` and `paused` as for `Surveyor.standings`."""
        return self._surveyor.standings(self.assignments.ledgers, lag, paused=paused, now_ms=self.clock.wall_ms())

    def update(self, now: float) -> None:
        """Open, stop or pause the intake by the room there is; `now` is in seconds of the monotonic clock."""
        self._intake.update(room=self.room, now=now, wants_one_more=self.gate.wants_one_more)

    def must_pause(self, partition: Partition, ledger: Ledger) -> bool:
        """Whether a partition must not be read on for now."""
        return self._intake.paused or not ledger.has_room() or self._scheduled.is_full(partition)

    def admit(self, messages: Sequence[OrderMessage]) -> None:
        """Take polled messages: pass over those that are done, hand over those that are due, keep the others."""
        now_ms, now = self.clock.wall_ms(), self.clock.monotonic()
        admitted: list[AdmittedOrder] = []
        for message in messages:
            position = message.position
            ledger = self.assignments.ledgers.get((position.topic, position.partition))
            if ledger is None or not ledger.polled(position.offset):
                continue
            order = AdmittedOrder(epoch=ledger.epoch, message=message, polled_at=now)
            due_ms = self.schedule.due_ms(message, now_ms)
            group = self.routes.foreign_group(message)
            if message.value is None or group is not None:
                self.hooks.notify(MessageSkipped(message) if group is None else ForeignRetry(message, group))
                self.results.admitted(order)
                self.results.add(_skipped(order, now))
            elif due_ms is not None and due_ms > now_ms:
                self._scheduled.add(order, due_ms)
            else:
                admitted.append(order)
        self._submit(admitted)

    def submit_due(self) -> None:
        """Hand over waiting orders that are due, as many as there is room for."""
        self._submit(self._scheduled.due(self.clock.wall_ms(), max(0, self.room)))

    def break_deadlock(self) -> None:
        """If every order in hand is finished and blocked, hand over one waiting order that is due, although full.

        The finished orders wait for an older one. If that one waits here, there will never be room for it.
        """
        is_deadlock = self.results.backlog.is_blocked and self.in_hand <= len(self.results)
        self._submit(self._scheduled.due(self.clock.wall_ms(), int(is_deadlock)))

    def forget(self) -> None:
        """Drop the waiting orders of assignments that have ended."""
        self._scheduled.forget(lambda admitted: self.assignments.partition_of(admitted.epoch) is None)

    def _submit(self, orders: Sequence[AdmittedOrder]) -> None:
        now = self.clock.monotonic()
        for order in orders:
            self.results.admitted(order)
            self.ages.began(order.message, now)
        if orders:
            self.gate.admit_one()
            self.pool.submit(orders)


def _skipped(order: AdmittedOrder, at: float) -> FinishedOrder:
    return FinishedOrder(epoch=order.epoch, message=order.message, outcome="skipped", records=(), size=0, at=at)
