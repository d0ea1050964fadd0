"""The worker's hooks: its metrics, its log lines, and whether it is ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from journeys.consumer.consumer import Partition
from journeys.fetcher.account.gate import Reason
from journeys.logs import EventName, log, wants
from journeys.model import Journey
from journeys.ops.health import Health
from journeys.ops.metrics import Metrics
from journeys.producer.publisher import Outcome
from journeys.worker.handover import FinishedOrder
from journeys.worker.hooks import (
    Assigned,
    ExtraPageRequested,
    FieldMisfit,
    GateChanged,
    GroupsChanged,
    Happening,
    JourneyFetched,
    KafkaUnreachable,
    MessageSkipped,
    OrdersWaiting,
    OutcomeRecovered,
    RegistryAwaited,
    RequestEnded,
    Revoked,
    TransactionEnded,
)

_ORDER_EVENTS: dict[str, EventName] = {
    "published": "order.published",
    "retried": "order.retried",
    "dead-lettered": "order.dead_lettered",
}
_TRANSACTION_EVENTS: dict[Outcome, EventName] = {
    Outcome.COMMITTED: "transaction.committed",
    Outcome.ABORTED: "transaction.aborted",
    Outcome.UNKNOWN: "transaction.unknown",
}
_SHUT_EVENTS: dict[Reason, EventName] = {
    "down": "api.failing",
    "auth": "api.unauthorized",
    "pace": "api.paused",
    "flood": "dead_letters.flood",
    "operator": "intake.held",
}
_OPEN_EVENTS: dict[Reason, EventName | None] = {
    "down": "api.recovered",
    "auth": "api.authorized",
    "pace": None,  # the line of a pause says when it ends
    "flood": "dead_letters.resumed",
    "operator": "intake.resumed",
}


class MetricsHook:
    """Counts. `channels` maps a topic of events to its channel; `rejected_topic` takes events that are no objects."""

    def __init__(self, metrics: Metrics, *, channels: Mapping[str, str], rejected_topic: str) -> None:
        self._metrics = metrics
        self._channels = channels
        self._rejected_topic = rejected_topic

    def __call__(self, happening: Happening) -> None:
        """Count a happening."""
        match happening:
            case RequestEnded(outcome, seconds):
                self._metrics.observe("request.seconds", seconds, outcome)
            case ExtraPageRequested():
                self._metrics.count("pages.extra")
            case JourneyFetched(journey):
                self._fetched(journey)
            case FieldMisfit(pointer):
                self._metrics.misfit(pointer)
            case MessageSkipped():
                self._metrics.count("orders.skipped")
            case TransactionEnded(result, finished, seconds):
                self._metrics.count("transactions", result.outcome)
                self._metrics.observe("transaction.seconds", seconds)
                if result.outcome is Outcome.COMMITTED:
                    self._published(finished)
            case _:
                pass

    def _fetched(self, journey: Journey) -> None:
        self._metrics.count("pages", by=journey.pages)
        if journey.repeated:
            self._metrics.count("events.repeated", by=journey.repeated)
        if not journey.consistent:
            self._metrics.count("journeys.inconsistent")

    def _published(self, finished: Sequence[FinishedOrder]) -> None:
        topics = Counter(record.topic for order in finished for record in order.records)
        for topic, events in topics.items():
            if (channel := self._channels.get(topic)) is not None:
                self._metrics.count("events", channel, by=events)
            elif topic == self._rejected_topic:
                self._metrics.count("events.rejected", by=events)
        for order in finished:
            if order.outcome not in _ORDER_EVENTS:
                continue
            self._metrics.count("orders", order.outcome)
            if order.outcome == "retried":
                self._metrics.count("retries", order.records[0].topic, order.reason or "")
            elif order.outcome == "dead-lettered":
                self._metrics.count("dead_letters", order.reason or "")


class LogHook:
    """Writes log lines. `rejected_topic` takes events that are no objects."""

    def __init__(self, *, rejected_topic: str) -> None:
        self._rejected_topic = rejected_topic
        self._shut: frozenset[Reason] = frozenset()
        self._obstacles: Mapping[str, str] = {}
        self._are_waiting = False
        self._is_registry_awaited = False

    def __call__(self, happening: Happening) -> None:
        """Write the lines of a happening, if it has any."""
        match happening:
            case TransactionEnded():
                self._transaction(happening)
            case MessageSkipped(message):
                log("order.skipped", position=str(message.position))
            case OrdersWaiting(orders, next_due):
                self._waiting(orders, next_due)
            case GateChanged(reasons):
                self._gate(reasons)
            case RegistryAwaited(awaited):
                self._registry(awaited)
            case _:
                self._kafka(happening)

    def _kafka(self, happening: Happening) -> None:
        match happening:
            case Assigned(partitions):
                log("orders.assigned", partitions=_names(partitions))
            case Revoked(partitions, lost):
                log("orders.lost" if lost else "orders.revoked", partitions=_names(partitions))
            case GroupsChanged(obstacles):
                self._groups(obstacles)
            case OutcomeRecovered(published, owed):
                log("transaction.recovered", published=published, sent_again=owed)
            case KafkaUnreachable(reason):
                log("kafka.unreachable", reason=reason)
            case _:
                pass

    def _groups(self, obstacles: Mapping[str, str]) -> None:
        """Log each new obstacle of a group once, and the group once it has none."""
        for group, why in obstacles.items():
            if self._obstacles.get(group) != why:
                log("group.waiting", group=group, reason=why)
        for group in self._obstacles.keys() - obstacles.keys():
            log("group.joined", group=group)
        self._obstacles = obstacles

    def _registry(self, reason: str | None) -> None:
        """Log the first reason only, until no order waits."""
        if reason is not None and not self._is_registry_awaited:
            log("registry.failing", reason=reason)
        self._is_registry_awaited = reason is not None

    def _gate(self, reasons: Mapping[Reason, str]) -> None:
        """Log each reason once when it comes, and once when it goes."""
        for name, why in reasons.items():
            if name not in self._shut:
                log(_SHUT_EVENTS[name], reason=why)
        for name in self._shut - reasons.keys():
            if (event := _OPEN_EVENTS[name]) is not None:
                log(event)
        self._shut = frozenset(reasons)

    def _waiting(self, orders: int, next_due: float | None) -> None:
        """Log when orders begin to wait."""
        if orders and not self._are_waiting and next_due is not None:
            log("orders.waiting", orders=orders, next_due=datetime.fromtimestamp(next_due, UTC).isoformat())
        self._are_waiting = orders > 0

    def _transaction(self, ended: TransactionEnded) -> None:
        result, finished = ended.result, ended.finished
        event = _TRANSACTION_EVENTS[result.outcome]
        if wants(event):
            log(event, orders=len(finished), seconds=round(ended.seconds, 3), reason=result.reason)
        if result.outcome is not Outcome.COMMITTED:
            return
        if rejected := sum(record.topic == self._rejected_topic for order in finished for record in order.records):
            log("events.rejected", events=rejected)
        for order in finished:
            self._order(order)

    def _order(self, order: FinishedOrder) -> None:
        event = _ORDER_EVENTS.get(order.outcome)
        if event is not None and wants(event):
            log(
                event,
                order_id=None if order.order is None else order.order.order_id,
                position=str(order.message.position),
                records=len(order.records),
                reason=order.reason,
            )


class ReadinessHook:
    """Keeps the reasons why the worker is not ready."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def __call__(self, happening: Happening) -> None:
        """Add or remove a reason."""
        match happening:
            case TransactionEnded(result):
                if result.outcome is Outcome.UNKNOWN:
                    self._health.unmet("kafka.producer", "the outcome of the last transaction is being read back")
            case OutcomeRecovered():
                self._health.met("kafka.producer")
            case KafkaUnreachable(reason):
                self._health.unmet("kafka.producer", f"Kafka does not answer: {reason}")
            case GroupsChanged(obstacles):
                self._groups(obstacles)
            case GateChanged(reasons):
                self._gate(reasons)
            case RegistryAwaited(reason):
                self._registry(reason)
            case _:
                pass

    def _groups(self, obstacles: Mapping[str, str]) -> None:
        if obstacles:
            self._health.unmet("kafka.group", "; ".join(f"{group}: {why}" for group, why in obstacles.items()))
        else:
            self._health.met("kafka.group")

    def _gate(self, reasons: Mapping[Reason, str]) -> None:
        if reasons:
            self._health.unmet("api.gate", "; ".join(f"{name}: {why}" for name, why in reasons.items()))
        else:
            self._health.met("api.gate")

    def _registry(self, reason: str | None) -> None:
        if reason is None:
            self._health.met("registry.schemas")
        else:
            self._health.unmet("registry.schemas", f"orders in Avro wait for their schemas: {reason}")


def _names(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in partitions]
