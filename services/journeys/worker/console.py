"""Gathers the state of a worker for `/state.json`: from its metrics and its parts, at the moment of a question.

Only two things are kept for it: a sample of the totals every 5 s, and the last orders that were not published.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import journeys
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.ops.health import Readiness, Report
from journeys.ops.history import History, Sample
from journeys.ops.metrics import Metrics
from journeys.ops.state import (
    ChannelShown,
    GateShown,
    OldestShown,
    Orders,
    PartitionShown,
    Problem,
    SettingShown,
    State,
    WorkerShown,
    command_for,
    reasons,
    summarize,
)
from journeys.producer.publisher import Outcome
from journeys.settings import Settings
from journeys.settings.listing import rows_of
from journeys.worker.assembly import Parts
from journeys.worker.hooks import Happening, Measured, TransactionEnded

_MOST_PROBLEMS: Final = 20


class ProblemsHook:
    """Keeps the last 20 orders that were not published, the newest first. `wall` is in seconds since the epoch."""

    follows: Final = (TransactionEnded,)

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._problems: deque[Problem] = deque(maxlen=_MOST_PROBLEMS)

    def __call__(self, happening: Happening) -> None:
        """Note the failed orders of a committed transaction."""
        match happening:
            case TransactionEnded(result, finished) if result.outcome is Outcome.COMMITTED:
                for index, order in enumerate(finished):
                    if order.reason is None:
                        continue
                    order_id = None if order.order is None else order.order.order_id
                    sent_to = result.positions.get(index)
                    self._problems.appendleft(
                        Problem(
                            at=self._wall(),
                            order_id=order_id,
                            outcome=order.outcome,
                            reason=order.reason,
                            position=str(order.message.position),
                            command=command_for(order.outcome, order_id=order_id, sent_to=sent_to),
                        )
                    )
            case _:
                pass

    def problems(self) -> Sequence[Problem]:
        """The last problems. Any thread may ask."""
        return list(self._problems)


class HistoryHook:
    """Takes a sample of the totals every 5 s. `due` counts the orders that are due; it is called on the Kafka thread.

    `wall` is in seconds since the epoch.
    """

    follows: Final = (Measured,)

    def __init__(self, metrics: Metrics, *, due: Callable[[], int], wall: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._due = due
        self._wall = wall
        self.history = History()

    def __call__(self, happening: Happening) -> None:
        """About once a second, look at the time."""
        match happening:
            case Measured():
                if self.history.is_due(at := self._wall()):
                    self.history.add(sample(self._metrics, at=at, due=self._due()))
            case _:
                pass


def sample(metrics: Metrics, *, at: float, due: int) -> Sample:
    """The totals of a worker now; `at` is in seconds since the epoch, `due` counts the orders that are due."""
    outcomes = metrics.totals("orders")
    dead = outcomes["dead-lettered",]
    return Sample(
        at=at,
        published=outcomes["published",],
        failed=outcomes["retried",] + dead,
        dead=dead,
        throttled=metrics.durations("request.seconds").get(("status-429",), 0),
        due=due,
        events={channel: events for (channel,), events in metrics.totals("events").items()},
        latency=metrics.distribution("request.seconds"),
    )


class Console:
    """Builds the state of one worker. `parts` returns its parts, None before they are built.

    `sources` are the settings' sources (see `Loaded`). Any thread may ask.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Mapping[str, str],
        *,
        instance: str,
        metrics: Metrics,
        keeper: Gatekeeper,
        parts: Callable[[], Parts | None],
        problems: ProblemsHook,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._keeper = keeper
        self._parts = parts
        self._problems = problems
        self._wall = wall
        self._retry_topics = frozenset(topic for topic, _ in settings.orders.tiers)
        self._worker = WorkerShown(
            version=journeys.__version__, group=settings.kafka.group_id, instance=instance, started_at=wall()
        )
        self._settings = [
            SettingShown(variable=row.variable, value=_text(row.effective), source=row.source)
            for row in rows_of(settings, sources)
        ]
        self.history_hook = HistoryHook(metrics, due=self._due, wall=wall)

    def state(self, found: Readiness, alive: Report, *, controls: Literal["open", "token", "off"]) -> State:
        """The state now; `found` and `alive` are the reports of the probes. It takes milliseconds."""
        now = self._wall()
        partitions = self._partitions()
        orders = self._orders(partitions, now)
        oldest = found.oldest
        return State(
            at=now,
            worker=self._worker,
            summary=summarize(found, alive, orders, partitions=len(partitions), now=now),
            reasons=reasons(found),
            orders=orders,
            history=self.history_hook.history.points(),
            partitions=partitions,
            gate=self._gate(),
            channels=self._channels(),
            problems=self._problems.problems(),
            oldest_order=None
            if oldest is None
            else OldestShown(order_id=oldest.order_id, position=str(oldest.position), seconds=round(oldest.seconds, 1)),
            settings=self._settings,
            controls=controls,
        )

    def _partitions(self) -> list[PartitionShown]:
        """The assigned partitions, by topic and number."""
        parts = self._parts()
        if parts is None:
            return []
        lag, watermarks = parts.lag.by_partition, parts.lag.watermarks
        found = []
        for (topic, number), ledger in sorted(parts.assignments.ledgers.items()):
            waiting = parts.admission.not_due_of((topic, number))
            watermark = watermarks.get((topic, number), ledger.next_offset)
            end = watermark + lag.get((topic, number), 0)
            found.append(
                PartitionShown(
                    topic=topic,
                    partition=number,
                    watermark=watermark,
                    done_beyond=ledger.published_beyond,
                    in_hand=max(0, ledger.unpublished - waiting),
                    waiting=waiting,
                    unread=max(0, end - ledger.next_offset),
                )
            )
        return found

    def _due(self) -> int:
        return sum(self._split(partition)[0] for partition in self._partitions())

    def _split(self, partition: PartitionShown) -> tuple[int, int]:
        """The orders of a partition that are due, and those that are not.

        Orders behind one that waits for its due time are younger, so they wait as well. Retry tiers have transaction
        markers, so only what was read of them counts.
        """
        unread = 0 if partition.topic in self._retry_topics else partition.unread
        if partition.waiting:
            return partition.in_hand, partition.waiting + unread
        return partition.in_hand + unread, 0

    def _orders(self, partitions: Sequence[PartitionShown], now: float) -> Orders:
        parts, history = self._parts(), self.history_hook.history
        counts = [self._split(partition) for partition in partitions]
        due, waiting = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
        outcomes, first = self._metrics.totals("orders"), history.since()[0]
        catch_up_s = history.catch_up_s(due)
        return Orders(
            due=due,
            in_hand=sum(partition.in_hand for partition in partitions),
            waiting=waiting,
            next_due=None if parts is None else parts.admission.next_due,
            lag=due + waiting,
            lag_s=_lag_s(parts, now),
            catch_up_s=None if catch_up_s is None else round(catch_up_s, 1),
            per_s=round(history.pace_per_s(), 2),
            published=int(outcomes["published",]),
            retried=int(outcomes["retried",]),
            dead_lettered=int(outcomes["dead-lettered",]),
            dead_lettered_lately=int(outcomes["dead-lettered",] - first.dead),
        )

    def _gate(self) -> GateShown:
        parts, keeper = self._parts(), self._keeper
        throttled = self._metrics.durations("request.seconds").get(("status-429",), 0)
        return GateShown(
            reasons={str(name): why for name, why in keeper.reasons.items()},
            rate_per_s=round(keeper.rate, 2) if math.isfinite(keeper.rate) else None,
            in_flight=0 if parts is None else parts.fetcher.in_flight,
            throttled=int(throttled),
            throttled_lately=int(throttled - self.history_hook.history.since()[0].throttled),
        )

    def _channels(self) -> list[ChannelShown]:
        first = self.history_hook.history.since()[0].events
        return [
            ChannelShown(channel=channel, events=int(events), lately=int(events - first.get(channel, 0)))
            for (channel,), events in sorted(self._metrics.totals("events").items())
        ]


def _lag_s(parts: Parts | None, now: float) -> float | None:
    """How long ago the oldest order in hand was due, in seconds; None for no order."""
    oldest = None if parts is None else parts.ages.oldest_order()
    if parts is None or oldest is None:
        return None
    message = oldest[1]
    due_ms = parts.admission.schedule.due_ms(message, int(now * 1000)) or message.timestamp_ms
    return None if due_ms is None else round(max(0.0, now - due_ms / 1000), 1)


def _text(value: Any) -> str:
    """A setting's value as people write it."""
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
