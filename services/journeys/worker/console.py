"""Gathers the state of a worker for `/state.json`: from its metrics and its parts, at the moment of a question.

Only two things are kept for it: a sample of the totals every 5 s, and the last orders that were not published.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal

import journeys
from journeys.consumer.consumer import Partition
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
from journeys.worker.happenings import Happening, Measured, TransactionEnded
from journeys.worker.kafka_thread.standing import Standing

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


def sample(metrics: Metrics, *, at: float, due: int) -> Sample:
    """The totals of a worker now; `at` is in seconds since the epoch, `due` counts the orders that are due."""
    outcomes = metrics.totals("orders")
    dead = outcomes["dead-lettered",]
    return Sample(
        at=at,
        published=outcomes["published",],
        failed=outcomes["retried",] + dead,
        dead=dead,
        throttled=metrics.totals("requests.throttled")[()],
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
        standings = self._standings()
        present = sample(self._metrics, at=now, due=sum(standing.due for standing in standings.values()))
        orders = self._orders(standings.values(), present, is_ready=found.good)
        oldest = found.oldest
        return State(
            at=now,
            worker=self._worker,
            summary=summarize(found, alive, orders, partitions=len(standings), now=now),
            reasons=reasons(found),
            orders=orders,
            history=self.history_hook.history.points(),
            partitions=[_partition(partition, standing) for partition, standing in sorted(standings.items())],
            gate=self._gate(present),
            channels=self._channels(present),
            problems=self._problems.problems(),
            oldest_order=None
            if oldest is None
            else OldestShown(order_id=oldest.order_id, position=str(oldest.position), seconds=round(oldest.seconds, 1)),
            settings=self._settings,
            controls=controls,
        )

    def _standings(self) -> Mapping[Partition, Standing]:
        parts = self._parts()
        return {} if parts is None else parts.kafka.standings

    def _due(self) -> int:
        return sum(standing.due for standing in self._standings().values())

    def _orders(self, standings: Collection[Standing], present: Sample, *, is_ready: bool) -> Orders:
        parts, history = self._parts(), self.history_hook.history
        waiting = sum(standing.waiting for standing in standings)
        per_s = history.pace_per_s(present)
        catch_up_s = history.catch_up_s(present)
        if present.due <= max(per_s, 1):  # what a second brings is no backlog
            catch_up_s = 0.0
        return Orders(
            due=present.due,
            in_hand=sum(standing.in_hand for standing in standings),
            waiting=waiting,
            next_due=None if parts is None else parts.admission.next_due,
            lag=present.due + waiting,
            lag_s=max((round(each.lag_s, 1) for each in standings if each.lag_s), default=None),
            catch_up_s=None if catch_up_s is None or (present.due and not is_ready) else round(catch_up_s, 1),
            per_s=round(per_s, 2),
            published=int(present.published),
            retried=int(present.failed - present.dead),
            dead_lettered=int(present.dead),
            dead_lettered_lately=int(present.dead - history.first().dead),
        )

    def _gate(self, present: Sample) -> GateShown:
        parts, keeper = self._parts(), self._keeper
        return GateShown(
            reasons={str(name): why for name, why in keeper.reasons.items()},
            rate_per_s=round(keeper.rate, 2) if math.isfinite(keeper.rate) else None,
            in_flight=0 if parts is None else parts.fetcher.in_flight,
            throttled=int(present.throttled),
            throttled_lately=int(present.throttled - self.history_hook.history.first().throttled),
        )

    def _channels(self, present: Sample) -> list[ChannelShown]:
        first = self.history_hook.history.first().events
        return [
            ChannelShown(channel=channel, events=int(events), lately=int(events - first.get(channel, 0)))
            for channel, events in sorted(present.events.items())
        ]


def _partition(partition: Partition, standing: Standing) -> PartitionShown:
    return PartitionShown(
        topic=partition[0],
        partition=partition[1],
        watermark=standing.watermark,
        done_beyond=standing.published_beyond,
        in_hand=standing.in_hand,
        waiting=standing.scheduled,
        unread=standing.unread,
    )


def _text(value: Any) -> str:
    """A setting's value as people write it."""
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
