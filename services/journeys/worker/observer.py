"""The worker's hooks: its metrics, its log lines, and whether it is ready."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from journeys.consumer.consumer import Partition
from journeys.fetcher.account.gate import Reason
from journeys.fetcher.progress import OpenOrder
from journeys.logs import EventName, log, wants
from journeys.model import Journey, OrderMessage, Position
from journeys.ops.failing import FailingRequests
from journeys.ops.health import Health, Unready
from journeys.ops.metrics import Metrics
from journeys.ops.slow import SlowOrders
from journeys.producer.publisher import Outcome, Result
from journeys.settings.values import format_duration
from journeys.worker.handover import FinishedOrder
from journeys.worker.hooks import (
    Assigned,
    ExtraPageRequested,
    FieldMisfit,
    ForeignRetry,
    GateChanged,
    GroupsChanged,
    Happening,
    JourneyFetched,
    KafkaUnreachable,
    Measured,
    MessageSkipped,
    OrdersWaiting,
    OrderTopicsMissing,
    OutcomeRecovered,
    RegistryAwaited,
    RequestEnded,
    Revoked,
    TopicsWithoutIds,
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

_GATES: dict[Reason, Unready] = {"down": "down", "auth": "auth", "flood": "flood", "operator": "held"}
"""The reasons of the gate for which orders wait, by their names in /readyz."""
_FOREIGN_S = 3600.0
"""How long the retry of another group stays a reason: the delay of the longest tier by default."""
_SUMMARY_S = 10.0
"""The time between two summary lines."""
_MOST_FOREIGN = 100
"""The most foreign groups that are logged."""
_CREATE = "journeys topics create"
_GRANT = "give the worker's principal the right to Write to this topic"
_DELETED = "the topic with order messages was deleted"
_NO_CHECK = "the brokers give no topic id, so a topic that is deleted and created again is not noticed"
_NO_FAILURES: Final = frozenset({"ok", "cancelled"})
"""The outcomes of a request that did not fail."""
_SETBACKS = 3
"""Transactions in a row without a commit that make the worker unready. A rebalance causes one or two."""


class MetricsHook:
    """Counts. `channels` maps a topic of events to its channel; `rejected_topic` takes events that are no objects.

    `wall` is in seconds since the epoch.
    """

    follows: Final = (
        RequestEnded,
        ExtraPageRequested,
        JourneyFetched,
        FieldMisfit,
        Assigned,
        Revoked,
        MessageSkipped,
        ForeignRetry,
        TransactionEnded,
    )

    def __init__(
        self,
        metrics: Metrics,
        *,
        channels: Mapping[str, str],
        rejected_topic: str,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._wall = wall
        self._channels = channels
        self._rejected_topic = rejected_topic

    def __call__(self, happening: Happening) -> None:
        """Count a happening."""
        match happening:
            case RequestEnded(outcome, seconds):
                self._metrics.observe("request.seconds", seconds, outcome)
                if outcome not in _NO_FAILURES:
                    self._metrics.count("request.failures", outcome)
            case JourneyFetched(journey):
                self._fetched(journey)
            case ExtraPageRequested():
                self._metrics.count("pages.extra")
            case FieldMisfit(pointer):
                self._metrics.misfit(pointer)
            case _:
                self._kafka(happening)

    def _kafka(self, happening: Happening) -> None:
        match happening:
            case Assigned(partitions) if partitions:
                self._metrics.count("rebalances", "assigned")
            case Revoked(_, lost):
                self._metrics.count("rebalances", "lost" if lost else "revoked")
            case MessageSkipped():
                self._metrics.count("orders.skipped")
            case ForeignRetry():
                self._metrics.count("retries.foreign")
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
        now = self._wall()
        for order in finished:
            if order.outcome not in _ORDER_EVENTS:
                continue
            self._metrics.count("orders", order.outcome)
            if order.outcome == "published":
                if order.order is not None and order.order.timestamp_ms is not None:
                    # A producer's clock may be ahead.
                    self._metrics.observe("order_to_commit.seconds", max(0.0, now - order.order.timestamp_ms / 1000))
            elif order.outcome == "retried":
                self._metrics.count("retries", order.records[0].topic, order.reason or "")
            elif order.outcome == "dead-lettered":
                self._metrics.count("dead_letters", order.reason or "")


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

    def _order_topics(self, missing: frozenset[str]) -> None:
        """Log each topic that goes missing, and that is there again."""
        for topic in sorted(missing - self._missing_order_topics):
            log("topic.missing", topic=topic, reason=_DELETED, remedy=_CREATE)
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
    """Where a failed order came from first, and where it is now. `position` is where it was read last.

    If Kafka did not say where the record is, `sent_to` is its topic alone.
    """
    source = order.message.position if order.order is None else order.order.edition
    return {"source": str(source), "sent_to": str(sent_to or order.records[0].topic)}


class ReadinessHook:
    """Keeps the reasons why the worker is not ready, or degraded."""

    follows: Final = (
        GateChanged,
        RegistryAwaited,
        Assigned,
        Revoked,
        GroupsChanged,
        OrderTopicsMissing,
        TransactionEnded,
        OutcomeRecovered,
        KafkaUnreachable,
    )

    def __init__(self, health: Health) -> None:
        self._health = health
        self._setbacks = 0
        """Transactions in a row that were not committed."""
        self._is_in_doubt = True
        self._missing_order_topics = ""
        self._refusing_topic = ""

    def __call__(self, happening: Happening) -> None:
        """Add or remove a reason."""
        match happening:
            case TransactionEnded(result):
                self._transaction(result)
            case OutcomeRecovered(_, owed):
                self._recovered(owed)
            case KafkaUnreachable(reason):
                self._health.unready("producer", f"Kafka does not answer: {reason}")
            case Assigned() | Revoked():  # other orders are next, so the setbacks say nothing about them
                self._reset()
            case GroupsChanged(obstacles):
                reason = "; ".join(f"{group}: {why}" for group, why in obstacles.items())
                self._health.unready("group", reason or None)
            case OrderTopicsMissing(topics):
                self._missing_order_topics = "; ".join(f"{topic} does not exist: {_DELETED}" for topic in topics)
                self._topics()
            case GateChanged(reasons):
                self._gate(reasons)
            case RegistryAwaited(reason):
                why = None if reason is None else f"orders in Avro wait for their schemas: {reason}"
                self._health.unready("registry", why)
            case _:
                pass

    def _transaction(self, result: Result) -> None:
        self._is_in_doubt = result.outcome is Outcome.UNKNOWN
        if result.outcome is Outcome.COMMITTED:
            self._reset()
            return
        self._setbacks += 1
        topic = result.missing_topic or result.forbidden_topic
        if topic is not None:  # Kafka answers, so `topic` is the only reason
            self._refusing_topic = f"{topic} takes no records: {result.reason}"
            self._topics()
            self._health.unready("producer", None)
        elif self._setbacks >= _SETBACKS:
            self._health.unready(
                "producer", f"{self._setbacks} transactions in a row were not committed, the last one: {result.reason}"
            )
        elif result.outcome is Outcome.UNKNOWN:
            self._health.unready("producer", "the outcome of the last transaction is being read back")

    def _recovered(self, owed: int) -> None:
        self._is_in_doubt = False
        if not owed:  # no transaction follows that could be committed
            self._reset()
        if self._setbacks < _SETBACKS:
            self._health.unready("producer", None)

    def _reset(self) -> None:
        """Count setbacks anew. An outcome in doubt stays a reason."""
        if self._setbacks:
            self._setbacks = 0
            self._refusing_topic = ""
            self._topics()
            if not self._is_in_doubt:
                self._health.unready("producer", None)

    def _topics(self) -> None:
        why = "; ".join(text for text in (self._missing_order_topics, self._refusing_topic) if text)
        self._health.unready("topic", why or None)

    def _gate(self, reasons: Mapping[Reason, str]) -> None:
        for name, unready in _GATES.items():
            self._health.unready(unready, reasons.get(name))
        self._health.degraded("pace", reasons.get("pace"))


class SummaryHook:
    """Writes a line each 10 s while there is work. `retry_topics` are left out of the lag: markers count in it.

    `monotonic` is in seconds.
    """

    follows: Final = (Measured, TransactionEnded)

    def __init__(self, *, retry_topics: Collection[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._retry_topics = frozenset(retry_topics)
        self._monotonic = monotonic
        self._outcomes: Counter[str] = Counter()
        self._written_at = monotonic()

    def __call__(self, happening: Happening) -> None:
        """Count the orders of a committed transaction. Write the line when it is time."""
        match happening:
            case TransactionEnded(result, finished):
                if result.outcome is Outcome.COMMITTED:
                    self._outcomes.update(order.outcome for order in finished)
            case Measured():
                self._look(happening)
            case _:
                pass

    def _look(self, measured: Measured) -> None:
        seconds = self._monotonic() - self._written_at
        if seconds < _SUMMARY_S or not (self._outcomes or measured.in_hand):
            return
        outcomes, self._outcomes = self._outcomes, Counter()
        self._written_at += seconds
        log(
            "orders.summary",
            published=outcomes["published"],
            retried=outcomes["retried"],
            dead_lettered=outcomes["dead-lettered"],
            orders_per_s=round(outcomes.total() / seconds, 1),
            in_hand=measured.in_hand,
            lag=sum(lag for (topic, _), lag in measured.lag.items() if topic not in self._retry_topics),
            oldest_s=round(measured.oldest_s, 1),
        )


class FailingHook:
    """Reports in /readyz and the log that every request fails, unless the gate says so. `monotonic` is in seconds."""

    follows: Final = (RequestEnded, OrdersWaiting, GateChanged)

    def __init__(self, health: Health, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._monotonic = monotonic
        self._requests = FailingRequests()
        self._is_down = False
        self._is_failing = False

    def __call__(self, happening: Happening) -> None:
        """Count a request. About once a second, look at the time."""
        match happening:
            case RequestEnded(outcome, _, detail):
                self._requests.ended(outcome, self._monotonic(), detail)
            case OrdersWaiting():
                self._look()
            case GateChanged(reasons):
                self._is_down = "down" in reasons
            case _:
                pass

    def _look(self) -> None:
        why = None if self._is_down else self._requests.why(self._monotonic())
        self._health.degraded("failing", why)
        if why is not None and not self._is_failing:
            log("api.failing", reason=why)
        elif why is None and self._is_failing and not self._is_down:
            log("api.recovered")
        self._is_failing = why is not None


class SlowHook:
    """Reports in /readyz and the log the orders that are slow. `slow_s` is JOURNEYS_ORDERS__SLOW, in seconds.

    `open_orders` returns the orders that are being fetched; it is called on the Kafka thread.
    """

    follows: Final = (Measured,)

    def __init__(self, health: Health, *, slow_s: float, open_orders: Callable[[], Sequence[OpenOrder]]) -> None:
        self._health = health
        self._open_orders = open_orders
        self._slow = SlowOrders(slow_s)

    def __call__(self, happening: Happening) -> None:
        """About once a second, look at the open orders."""
        match happening:
            case Measured():
                new, why = self._slow.look(self._open_orders())
                self._health.degraded("slow", why)
                for order in new:
                    log(
                        "order.slow",
                        order_id=order.order_id,
                        position=str(order.position),
                        seconds=round(order.busy_s, 1),
                        tries=order.tries,
                        last_failure=order.last_failure,
                    )
            case _:
                pass


class ForeignHook:
    """Reports in /readyz that another group keeps retries in our retry topics. `monotonic` is in seconds."""

    follows: Final = (ForeignRetry, Measured)

    def __init__(self, health: Health, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._monotonic = monotonic
        self._seen_at = -math.inf

    def __call__(self, happening: Happening) -> None:
        """Note a foreign retry. About once a second, look at the time."""
        match happening:
            case ForeignRetry(message, group):
                self._seen_at = self._monotonic()
                self._health.degraded("foreign", f"{message.position} is a retry of the group {group}")
            case Measured() if self._monotonic() - self._seen_at >= _FOREIGN_S:
                self._health.degraded("foreign", None)
            case _:
                pass


def _names(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in partitions]
