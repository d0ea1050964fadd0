"""Keeps the reasons of /readyz that follow from what happens in the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from journeys.fetcher.account.gate import Reason
from journeys.ops.health import Health, Unready
from journeys.producer.publisher import Outcome, Result
from journeys.worker.happenings import (
    Assigned,
    GateChanged,
    GroupsChanged,
    Happening,
    KafkaUnreachable,
    OrderTopicsMissing,
    OutcomeRecovered,
    RegistryAwaited,
    Revoked,
    TransactionEnded,
)

TOPIC_DELETED: Final = "the topic with order messages was deleted"
_GATES: dict[Reason, Unready] = {"down": "down", "auth": "auth", "flood": "flood", "operator": "held"}
"""The reasons of the gate for which orders wait, by their names in /readyz."""
_SETBACKS = 3
"""Transactions in a row without a commit that make the worker unready. A rebalance causes one or two."""


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
                self._missing_order_topics = "; ".join(f"{topic} does not exist: {TOPIC_DELETED}" for topic in topics)
                self._topics()
            case GateChanged(reasons):
                self._gate(reasons)
            case RegistryAwaited(reason):
                why = None if reason is None else f"orders in Avro wait for their schemas: {reason}"
                self._health.unready("registry", why)

    def _transaction(self, result: Result) -> None:
        self._is_in_doubt = result.outcome is Outcome.UNKNOWN
        if result.outcome is Outcome.COMMITTED:
            self._reset()
            return
        if result.oversized:  # that is progress: the orders are replaced, and the same abort does not come again
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
