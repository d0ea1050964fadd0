"""Writes the log lines of what happens in the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from journeys.consumer.consumer import Partition
from journeys.fetcher.account.gate import Reason
from journeys.logs import EventName, log, wants
from journeys.model import OrderMessage, Position
from journeys.producer.publisher import Outcome, Result
from journeys.settings.values import format_duration
from journeys.worker.handover import FinishedOrder
from journeys.worker.happenings import (
    Assigned,
    ForeignRetry,
    GateChanged,
    GroupsChanged,
    Happening,
    KafkaUnreachable,
    MessageSkipped,
    OrdersWaiting,
    OrderTopicsMissing,
    OutcomeRecovered,
    RegistryAwaited,
    Revoked,
    TopicsWithoutIds,
    TransactionEnded,
)
from journeys.worker.hooks.readiness import TOPIC_DELETED

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
_MOST_FOREIGN = 100
"""The most foreign groups that are logged."""
_CREATE = "journeys topics create"
_GRANT = "give the worker's principal the right to Write to this topic"
_NO_CHECK = "the brokers give no topic id, so a topic that is deleted and created again is not noticed"


class LogHook:
    """Writes log lines. `rejected_topic` takes events that are no objects; `settle_s` is in seconds."""

    follows: Final = (
        GateChanged,
        RegistryAwaited,
        Assigned,
        Revoked,
        GroupsChanged,
        OrderTopicsMissing,
        TopicsWithoutIds,
        MessageSkipped,
        ForeignRetry,
        OrdersWaiting,
        TransactionEnded,
        OutcomeRecovered,
        KafkaUnreachable,
    )

    def __init__(self, *, rejected_topic: str, settle_s: float = 0.0) -> None:
        self._rejected_topic = rejected_topic
        self._why_waiting = (
            f"an order is fetched once it is older than JOURNEYS_ORDERS__SETTLE ({format_duration(settle_s)}),"
            " a retry after the delay of its tier"
            if settle_s
            else "a retry is fetched after the delay of its tier"
        )
        self._shut: frozenset[Reason] = frozenset()
        self._obstacles: Mapping[str, str] = {}
        self._refusing_topic: tuple[str, EventName] | None = None
        """A topic that takes no records, and the event of its end."""
        self._missing_order_topics: frozenset[str] = frozenset()
        self._foreign_groups: set[str] = set()
        self._are_waiting = False
        self._is_registry_awaited = False

    def __call__(self, happening: Happening) -> None:
        """Write the lines of a happening, if it has any."""
        match happening:
            case TransactionEnded():
                self._transaction(happening)
            case MessageSkipped(message):
                log("order.skipped", position=str(message.position))
            case ForeignRetry(message, group):
                self._foreign(message, group)
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
            case OrderTopicsMissing(topics):
                self._order_topics(frozenset(topics))
            case TopicsWithoutIds(topic, reason):
                log("topic.without_id", topic=topic, reason=f"{_NO_CHECK}: {reason}")
            case OutcomeRecovered(published, owed):
                log("transaction.recovered", published=published, sent_again=owed)
            case KafkaUnreachable(reason):
                log("kafka.unreachable", reason=reason)

    def _groups(self, obstacles: Mapping[str, str]) -> None:
        """Log each new obstacle of a group once, and the group once it has none."""
        for group, why in obstacles.items():
            if self._obstacles.get(group) != why:
                log("group.waiting", group=group, reason=why)
        for group in self._obstacles.keys() - obstacles.keys():
            log("group.joined", group=group)
        self._obstacles = obstacles

    def _order_topics(self, missing: frozenset[str]) -> None:
        """Log each topic that goes missing, and that is there again."""
        for topic in sorted(missing - self._missing_order_topics):
            log("topic.missing", topic=topic, reason=TOPIC_DELETED, remedy=_CREATE)
        for topic in sorted(self._missing_order_topics - missing):
            log("topic.found", topic=topic)
        self._missing_order_topics = missing

    def _foreign(self, message: OrderMessage, group: str) -> None:
        """Log each of the first groups once: a group's name is a text from outside."""
        if group not in self._foreign_groups and len(self._foreign_groups) < _MOST_FOREIGN:
            self._foreign_groups.add(group)
            log("retry.foreign", group=group, position=str(message.position))

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
            due = datetime.fromtimestamp(next_due, UTC).isoformat()
            log("orders.waiting", orders=orders, next_due=due, reason=self._why_waiting)
        self._are_waiting = orders > 0

    def _transaction(self, ended: TransactionEnded) -> None:
        result, finished = ended.result, ended.finished
        event = _TRANSACTION_EVENTS[result.outcome]
        if wants(event):
            log(event, orders=len(finished), seconds=round(ended.seconds, 3), reason=result.reason)
        self._topic(result)
        if result.outcome is not Outcome.COMMITTED:
            return
        if rejected := sum(record.topic == self._rejected_topic for order in finished for record in order.records):
            log("events.rejected", events=rejected)
        for index, order in enumerate(finished):
            self._order(order, result.positions.get(index))

    def _topic(self, result: Result) -> None:
        """Log a topic that takes no records once, and once more when a transaction is committed."""
        if result.missing_topic is not None:
            self._refused(result.missing_topic, "topic.missing", "topic.found", result.reason, _CREATE)
        elif result.forbidden_topic is not None:
            self._refused(result.forbidden_topic, "topic.forbidden", "topic.allowed", result.reason, _GRANT)
        elif result.outcome is Outcome.COMMITTED and self._refusing_topic is not None:
            topic, end = self._refusing_topic
            log(end, topic=topic)
            self._refusing_topic = None

    def _refused(self, topic: str, event: EventName, end: EventName, reason: str | None, remedy: str) -> None:
        if self._refusing_topic != (topic, end):
            self._refusing_topic = topic, end
            log(event, topic=topic, reason=reason, remedy=remedy)

    def _order(self, order: FinishedOrder, sent_to: Position | None) -> None:
        event = _ORDER_EVENTS.get(order.outcome)
        if event is not None and wants(event):
            log(
                event,
                order_id=None if order.order is None else order.order.order_id,
                position=str(order.message.position),
                records=len(order.records),
                reason=order.reason,
                **({} if order.outcome == "published" else _way(order, sent_to)),
            )


def _way(order: FinishedOrder, sent_to: Position | None) -> dict[str, str]:
    """The first position of a failed order, and the place of its retry or dead letter. `position` is its last reading.

    If Kafka did not say where the record is, `sent_to` is its topic alone.
    """
    source = order.message.position if order.order is None else order.order.edition
    return {"source": str(source), "sent_to": str(sent_to or order.records[0].topic)}


def _names(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in partitions]
