"""Counts what happens in the worker, for /metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from journeys.errors import Verdict
from journeys.fetcher.failures import Meaning, verdicts
from journeys.model import Journey
from journeys.ops.metrics import Metrics
from journeys.producer.publisher import Outcome
from journeys.worker.handover import FinishedOrder
from journeys.worker.happenings import (
    Assigned,
    ExtraPageRequested,
    FieldMisfit,
    ForeignRetry,
    Happening,
    JourneyFetched,
    MessageSkipped,
    RequestEnded,
    Revoked,
    TransactionEnded,
)

_NO_FAILURES: Final = frozenset({"ok", "cancelled"})
"""The outcomes of a request that did not fail."""
_COUNTED: Final = frozenset({"published", "retried", "dead-lettered"})
"""The outcomes of an order that are counted; an order message that was skipped is not."""


class MetricsHook:
    """Counts. `channels` maps a topic of events to its channel; `rejected_topic` takes events that are no objects.

    `codes` has the meaning of each `code` of an answer. `wall` is in seconds since the epoch.
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
        codes: Mapping[int, Meaning],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._wall = wall
        self._channels = channels
        self._rejected_topic = rejected_topic
        self._verdicts = verdicts(codes)

    def __call__(self, happening: Happening) -> None:
        """Count a happening."""
        match happening:
            case RequestEnded(outcome, seconds):
                self._metrics.observe("request.seconds", seconds, outcome)
                if outcome not in _NO_FAILURES:
                    self._metrics.count("request.failures", outcome)
                    if self._verdicts.get(outcome) is Verdict.SLOW_DOWN:
                        self._metrics.count("requests.throttled")
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
                self._metrics.count("transactions", "fenced" if result.fenced else result.outcome)
                self._metrics.observe("transaction.seconds", seconds)
                if result.outcome is Outcome.COMMITTED:
                    self._published(finished)

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
            if order.outcome not in _COUNTED:
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
