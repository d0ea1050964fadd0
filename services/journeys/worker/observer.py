"""What the worker says and counts: one place between its work and the logs, metrics and health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from journeys.consumer.consumer import Partition
from journeys.fetcher.account.gate import Reason
from journeys.logs import EventName, log, wants
from journeys.model import Journey, OrderMessage
from journeys.ops.health import Health
from journeys.ops.metrics import Metrics
from journeys.producer.publisher import Outcome, Result
from journeys.worker.handover import FinishedOrder

_LOGGED: dict[str, EventName] = {
    "published": "order.published",
    "retried": "order.retried",
    "dead-lettered": "order.dead_lettered",
}
_ENDED: dict[Outcome, EventName] = {
    Outcome.COMMITTED: "transaction.committed",
    Outcome.ABORTED: "transaction.aborted",
    Outcome.UNKNOWN: "transaction.unknown",
}
_SHUT: dict[Reason, EventName] = {
    "down": "api.failing",
    "auth": "api.unauthorized",
    "pace": "api.paused",
    "flood": "dead_letters.flood",
    "operator": "intake.held",
}
_OPENED: dict[Reason, EventName | None] = {
    "down": "api.recovered",
    "auth": "api.authorized",
    "pace": None,  # a pause says when it is over
    "flood": "dead_letters.resumed",
    "operator": "intake.resumed",
}


class WorkerObserver:
    """Listens to the gate, the pool and the Kafka thread. `channels` names the channel of each topic of events."""

    def __init__(self, *, metrics: Metrics, health: Health, channels: dict[str, str], rejected_topic: str) -> None:
        self._metrics = metrics
        self._health = health
        self._channels = channels
        self._rejected_topic = rejected_topic
        self._shut: frozenset[Reason] = frozenset()
        self._are_waiting = False
        self._is_awaited = False

    # -- the pool's side

    def fetched(self, journey: Journey) -> None:
        """A journey was read."""
        self._metrics.count("pages", by=journey.pages)
        if journey.repeated:
            self._metrics.count("events.repeated", by=journey.repeated)
        if not journey.consistent:
            self._metrics.count("journeys.inconsistent")

    def registry(self, reason: str | None) -> None:
        """Orders wait for the schema registry, for this reason; None once they do not."""
        if reason is None:
            self._health.met("registry.schemas")
        else:
            self._health.unmet("registry.schemas", f"orders in Avro wait for their schemas: {reason}")
            if not self._is_awaited:
                log("registry.failing", reason=reason)
        self._is_awaited = reason is not None

    # -- the fetcher's side

    def request(self, outcome: str, seconds: float) -> None:
        """A request ended."""
        self._metrics.observe("request.seconds", seconds, outcome)

    def gate(self, reasons: Mapping[Reason, str]) -> None:
        """The gate is shut for these reasons, open for none."""
        if reasons:
            self._health.unmet("api.gate", "; ".join(f"{name}: {why}" for name, why in reasons.items()))
        else:
            self._health.met("api.gate")
        for name, why in reasons.items():
            if name not in self._shut:
                log(_SHUT[name], reason=why)
        for name in self._shut - reasons.keys():
            if (event := _OPENED[name]) is not None:
                log(event)
        self._shut = frozenset(reasons)

    def misfit(self, pointer: str) -> None:
        """A value did not fit its field."""
        self._metrics.misfit(pointer)

    # -- the Kafka thread's side

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Partitions came, or a rebalance left us without new ones."""
        self._health.met("kafka.group")
        log("orders.assigned", partitions=_names(partitions))

    def revoked(self, partitions: Sequence[Partition], *, lost: bool) -> None:
        """Partitions went; when they were lost, Kafka counts us out of the group until the next assignment."""
        if lost:
            self._health.unmet("kafka.group", "this worker fell out of the consumer group, and joins it again")
        log("orders.lost" if lost else "orders.revoked", partitions=_names(partitions))

    def skipped(self, message: OrderMessage) -> None:
        """A message with a null value was skipped."""
        self._metrics.count("orders.skipped")
        log("order.skipped", position=str(message.position))

    def transaction(self, result: Result, finished: Sequence[FinishedOrder], seconds: float) -> None:
        """A transaction ended; what it published is public only now."""
        self._metrics.count("transactions", result.outcome)
        self._metrics.observe("transaction.seconds", seconds)
        event = _ENDED[result.outcome]
        if wants(event):
            log(event, orders=len(finished), seconds=round(seconds, 3), reason=result.reason)
        if result.outcome is Outcome.COMMITTED:
            self._published(finished)
        elif result.outcome is Outcome.UNKNOWN:
            self._health.unmet("kafka.producer", "the outcome of the last transaction is being read back")

    def recovered(self, published: int, owed: int) -> None:
        """There is a producer again, and what had taken effect is known."""
        self._health.met("kafka.producer")
        log("transaction.recovered", published=published, sent_again=owed)

    def unreachable(self, reason: str) -> None:
        """Kafka does not answer."""
        self._health.unmet("kafka.producer", f"Kafka does not answer: {reason}")
        log("kafka.unreachable", reason=reason)

    def waiting(self, orders: int, next_due: float | None) -> None:
        """Orders wait for their time; said when the first of them begins to."""
        if orders and not self._are_waiting and next_due is not None:
            log("orders.waiting", orders=orders, next_due=datetime.fromtimestamp(next_due, UTC).isoformat())
        self._are_waiting = orders > 0

    def _published(self, finished: Sequence[FinishedOrder]) -> None:
        topics = Counter(record.topic for order in finished for record in order.records)
        for topic, events in topics.items():
            if (channel := self._channels.get(topic)) is not None:
                self._metrics.count("events", channel, by=events)
            elif topic == self._rejected_topic:
                self._metrics.count("events.rejected", by=events)
                log("events.rejected", events=events)
        for order in finished:
            self._order(order)

    def _order(self, order: FinishedOrder) -> None:
        event = _LOGGED.get(order.outcome)
        if event is None:
            return
        self._metrics.count("orders", order.outcome)
        if order.outcome == "retried":
            self._metrics.count("retries", order.records[0].topic, order.reason or "")
        elif order.outcome == "dead-lettered":
            self._metrics.count("dead_letters", order.reason or "")
        if wants(event):
            position = str(order.message.position)
            log(
                event,
                order_id=None if order.order is None else order.order.order_id,
                position=position,
                records=len(order.records),
                reason=order.reason,
            )


def _names(partitions: Sequence[Partition]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in partitions]
