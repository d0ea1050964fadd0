"""docs/runbook.md: one test walks each state, and each reason has an alert. Here are the walks with long waits."""

from __future__ import annotations

import ast
import io
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.support import alert_rules
from tests.support.runbook import Shown, states, stay_healthy, walk

from journeys.logs import configure
from journeys.ops.health import ADVICE, DEGRADED, UNREADY
from journeys.producer.publisher import Outcome, Result
from journeys.settings import load
from journeys.worker.happenings import (
    GroupsChanged,
    KafkaUnreachable,
    Measured,
    OrdersWaiting,
    OutcomeRecovered,
    RegistryAwaited,
    RequestEnded,
    TransactionEnded,
)
from journeys.worker.service import Service

TESTS = Path(__file__).parents[1]


class Scene:
    """A worker without Kafka: its hooks, metrics and reasons, in virtual time. It is ready at first."""

    def __init__(self) -> None:
        self._out = io.StringIO()
        self._service = Service(load(None, {}), configure(log_format="json", level="debug", stream=self._out))
        self.now_s = time.monotonic()
        self.hooks = self._service._hooks
        for followers in self.hooks._followers.values():
            for hook in followers:
                if hasattr(hook, "_monotonic"):
                    timed: Any = hook
                    timed._monotonic = lambda: self.now_s
        self._service._health.unready("starting", None)
        self.hooks.notify(GroupsChanged({}))
        self.hooks.notify(OutcomeRecovered(published=0, owed=0))

    def after(self, seconds: float, *, lag: int = 0) -> None:
        """Let this time pass, and make the observations of each second then."""
        self.now_s += seconds
        self.hooks.notify(OrdersWaiting(0, None))
        self.hooks.notify(Measured(lag, {("orders.completed", 0): lag}, 0.0))

    @property
    def shown(self) -> Shown:
        """All that the worker shows now."""
        readiness = self._service._health.readiness()
        metrics: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(self._service._metrics.render().decode()):
            for sample in family.samples:
                metrics.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return Shown(
            events={json.loads(line)["event"] for line in self._out.getvalue().splitlines()},
            unready=set(readiness.unready),
            degraded=set(readiness.degraded),
            metrics=metrics,
        )


def test_exactly_one_test_walks_each_state() -> None:
    """A row without a test may promise what no worker shows."""
    calls = [
        call.args[0].value
        for path in TESTS.rglob("test_*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("walk", "walk_end")
        if call.args and isinstance(call.args[0], ast.Constant)
    ]
    assert Counter(calls) == dict.fromkeys(states(), 1)


def test_each_reason_has_one_alert() -> None:
    """The section of the alert is the one that /readyz names. A stop lasts seconds, and needs no alert."""
    alerts = {state.anchor: state.expression or "" for state in states().values()}
    for reason in {*UNREADY, *DEGRADED} - {"stopping", "pace"}:
        gauge = "journeys_unready" if reason in UNREADY else "journeys_degraded"
        assert f'{gauge}{{reason="{reason}"}}' in alerts[ADVICE[reason].section], reason


def test_alert_rules_are_those_of_the_runbook() -> None:
    """`python -m tests.support.alert_rules` writes the file anew."""
    assert alert_rules.FILE.read_text(encoding="utf-8") == alert_rules.rules()


def test_every_request_fails_for_30_s() -> None:
    """Too few orders fail for the gate to shut."""
    scene = Scene()
    scene.hooks.notify(RequestEnded("connect", 0.1))
    scene.after(29)
    stay_healthy(scene.shown)
    scene.after(1)
    walk("Every request fails", scene.shown)
    scene.hooks.notify(RequestEnded("ok", 0.1))
    scene.after(1)
    stay_healthy(scene.shown)


def test_kafka_does_not_answer_while_an_outcome_is_read_back() -> None:
    """The reason ends once the outcome is known."""
    scene = Scene()
    scene.hooks.notify(TransactionEnded(Result(outcome=Outcome.UNKNOWN, reason="no answer"), (), 10.0))
    scene.hooks.notify(KafkaUnreachable("no answer"))
    walk("Kafka does not answer", scene.shown)
    scene.hooks.notify(OutcomeRecovered(published=1, owed=0))
    assert scene.shown.unready == set()


def test_orders_in_avro_wait_for_the_registry() -> None:
    """The reason ends once no order waits."""
    scene = Scene()
    scene.hooks.notify(RegistryAwaited("the registry answers HTTP 503"))
    walk("The registry does not answer", scene.shown)
    scene.hooks.notify(RegistryAwaited(None))
    stay_healthy(scene.shown)


def test_summary_line_shows_a_lag_that_grows() -> None:
    """A worker that publishes too slowly is ready, so no reason names it."""
    scene = Scene()
    scene.after(10, lag=2000)
    walk("Lag grows", scene.shown)


def test_idle_worker_stays_healthy() -> None:
    """Also after an hour without an order."""
    scene = Scene()
    scene.after(3600)
    stay_healthy(scene.shown)
