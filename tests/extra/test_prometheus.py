"""A real Prometheus watches two workers through two minutes of load, with an outage of the API.

JOURNEYS_SANDBOX_PICTURES=DIRECTORY writes its answers to `dashboard.json`, from which `make pictures` draws the
dashboard.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.broker.workers import until
from tests.support import alert_rules, dashboard
from tests.support.prometheus_api import PrometheusApi, Series
from tests.support.runbook import states

from journeys_sandbox.demo.screen import Screen
from journeys_sandbox.sandbox import Plan, Sandbox, running
from journeys_sandbox.stack.children import Child
from journeys_sandbox.stack.prometheus import is_installed

pytestmark = [
    pytest.mark.extra,
    pytest.mark.timeout(900),  # the first run downloads
    pytest.mark.skipif(not is_installed(), reason="needs prometheus, from Debian's package of that name"),
]

PICTURES: Final = os.environ.get("JOURNEYS_SANDBOX_PICTURES")
PATIENCE_S: Final = 180.0
SCRAPE_S: Final = 1
STEP_S: Final = 2
"""Between two points of an answer."""
RATE_INTERVAL: Final = "20s"
"""Instead of Grafana's `$__rate_interval`, which is as long with the scrapes of docker-compose.yml."""

ORDERS: Final = 2400
SPECIAL: Final = ("x-400-n3-refused", "x-503-n3-failing", "x-odd-n6-odd", "x-nullevent-n4-null")
"""One order in forty is one of these, by turns: each eight seconds one of each kind."""
UNPUBLISHED: Final = ("x-400", "x-503")

OUTAGE: Final = "The API is down"
CAUSES: Final[Mapping[str, str]] = {
    OUTAGE: "the outage",
    "Dead letters appear": "the orders that the API refuses",
    "The API drifts": "the journeys with values that fit no field, and with null events",
}
"""The states whose alerts the run justifies, each with its cause."""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole run, in seconds since the epoch, and the Prometheus that watched it."""

    prometheus: PrometheusApi
    start: float
    outage: tuple[float, float]
    end: float

    def ask(self, expression: str) -> list[Series]:
        """The series of an expression over the whole run."""
        expression = expression.replace("$__rate_interval", RATE_INTERVAL)
        return self.prometheus.over(expression, self.start, self.end, STEP_S)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Two workers with load before, during and after an outage. Alerts fire after five seconds instead of minutes."""
    directory = tmp_path_factory.mktemp("prometheus")
    rules, orders = directory / "alerts.yaml", directory / "orders.txt"
    rules.write_text(alert_rules.rules(lasts="5s"), encoding="utf-8")
    orders.write_text("\n".join(map(order_id, range(ORDERS))), encoding="utf-8")
    with running(Plan(workers=2, rules=rules, interval_s=SCRAPE_S), Screen()) as sandbox:
        assert sandbox.prometheus is not None
        send = ("journeys", "send", "--file", str(orders), "--rate", "20")
        with (
            closing(PrometheusApi(sandbox.prometheus)) as prometheus,
            Child("load", *send, settings=sandbox.environment),
        ):
            yield disturbed(sandbox, prometheus)


def order_id(number: int) -> str:
    """The id of an order, which chooses the length of its journey, and whether it fails."""
    turn, is_ordinary = divmod(number, 40)
    return f"n{number % 20 + 1}-order-{number}" if is_ordinary else f"{SPECIAL[turn % len(SPECIAL)]}-{number}"


def disturbed(sandbox: Sandbox, prometheus: PrometheusApi) -> Run:
    """Let the API fail until its alert fires, and then answer again, until all orders are published."""

    def shows(expression: str) -> None:
        until(lambda: bool(prometheus.now(expression)), expression, patience=PATIENCE_S)

    start = time.time()
    published = 'sum(journeys_orders_total{outcome="published"})'
    firing = f'ALERTS{{alertname="{alert_rules.alert_name(OUTAGE)}",alertstate="firing"}}'
    sandbox.api.change("slow20")
    shows(f"{published} > 600")
    sandbox.api.change("503")
    down = time.time()
    shows(f'{firing} and on () sum(journeys_lag{{topic="orders.completed"}}) > 400')
    sandbox.api.change("slow20")
    up = time.time()
    expected = sum(not order_id(number).startswith(UNPUBLISHED) for number in range(ORDERS))
    shows(f"{published} == {expected}")
    shows(f"absent({firing})")
    return Run(prometheus, start, (down, up), time.time())


def is_filled(answer: list[Series]) -> bool:
    """Whether a series has a number; infinite is the rate that has no bound."""
    return any(not math.isnan(float(value)) for series in answer for _, value in series["values"])


def test_each_query_of_the_dashboard_has_an_answer(run: Run) -> None:
    """No expression is in error, and none is empty: the run has brought about all that the dashboard shows."""
    answers = {expression: run.ask(expression) for expression in dashboard.expressions()}
    assert [expression for expression, answer in answers.items() if not is_filled(answer)] == []
    if PICTURES:
        times = {"start": run.start, "end": run.end, "step_s": STEP_S, "outage": run.outage}
        Path(PICTURES, "dashboard.json").write_text(json.dumps({**times, "answers": answers}), encoding="utf-8")


def test_each_alert_is_evaluated_without_an_error(run: Run) -> None:
    """Prometheus evaluates each rule, and answers its expression, which holds if the run justifies the alert."""
    assert {rule["name"]: rule["health"] for rule in run.prometheus.rules()} == {
        alert_rules.alert_name(title): "ok" for title, state in states().items() if state.expression is not None
    }
    for title, state in states().items():
        if state.expression is not None:
            assert is_filled(run.ask(state.expression)) or title not in CAUSES


def test_only_alerts_with_a_cause_fire_and_that_of_the_outage_ends(run: Run) -> None:
    """The run justifies three alerts. No other one fires, also not while the workers catch up."""
    fired = {series["metric"]["alertname"] for series in run.ask('ALERTS{alertstate="firing"}')}
    assert fired == {alert_rules.alert_name(title) for title in CAUSES}
    firing = run.ask(f'ALERTS{{alertname="{alert_rules.alert_name(OUTAGE)}",alertstate="firing"}}')
    moments = [moment for series in firing for moment, _ in series["values"]]
    assert run.outage[0] < min(moments) <= max(moments) < run.end
