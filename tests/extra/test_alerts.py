"""Prometheus's own tools accept the files in deploy/monitoring. Alerts and panels show the states they are for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.support import dashboard
from tests.support.alert_rules import FILE, alert_name
from tests.support.runbook import states

from journeys.ops.health import DEGRADED, UNREADY

pytestmark = [
    pytest.mark.extra,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, from Debian's package prometheus"),
]

Series = Mapping[str, str]
"""Series → its values, one a minute, in promtool's notation: `0+5x180` grows by 5 a minute for three hours.

`_` is a minute without a scrape, and `stale` the mark of Prometheus for a series that has ended.
"""

STEADY: Series = {
    "up": "1x180",
    "journeys_orders_due": "0x180",
    "journeys_orders_in_hand": "0x180",
    "journeys_orders_waiting": "0x180",
    "journeys_partitions": "6x180",
    "journeys_events_rejected_total": "2x180",
    'journeys_misfits_total{field="/event_at"}': "7x180",
    'journeys_lag{topic="journeys.retry.1m",partition="0"}': "9x180",
    'journeys_orders_total{outcome="retried"}': "5x180",
    'journeys_orders_total{outcome="dead-lettered"}': "1x180",
    'journeys_transactions_total{outcome="aborted"}': "1x180",
    'journeys_transactions_total{outcome="unknown"}': "1x180",
    'journeys_transactions_total{outcome="fenced"}': "1x180",
    "journeys_requests_throttled_total": "3x180",
    'journeys_request_seconds_count{outcome="status-429"}': "3x180",
    **{f'journeys_unready{{reason="{reason}"}}': "0x180" for reason in UNREADY},
    **{f'journeys_degraded{{reason="{reason}"}}': "0x180" for reason in DEGRADED},
}
"""Of every worker that has worked for long, and of which nothing is broken."""
IDLE: Series = {
    **STEADY,
    'journeys_lag{topic="orders.completed",partition="0"}': "0x180",
    'journeys_orders_total{outcome="published"}': "900x180",
    'journeys_transactions_total{outcome="committed"}': "90x180",
    'journeys_request_seconds_count{outcome="ok"}': "900x180",
}
HEALTHY: Series = {
    **STEADY,
    "journeys_orders_due": "5x180",
    'journeys_lag{topic="orders.completed",partition="0"}': "5x180",
    'journeys_orders_total{outcome="published"}': "0+100x180",
    'journeys_transactions_total{outcome="committed"}': "0+60x180",
    'journeys_request_seconds_count{outcome="ok"}': "0+100x180",
}
SETTLING: Series = {
    **IDLE,
    'journeys_lag{topic="orders.completed",partition="0"}': "0+100x180",
    "journeys_orders_waiting": "0+100x180",
}


def unready(reason: str) -> Series:
    """A worker that is unready for this reason."""
    return {f'journeys_unready{{reason="{reason}"}}': "1x180"}


def degraded(reason: str) -> Series:
    """A worker that is degraded for this reason."""
    return {f'journeys_degraded{{reason="{reason}"}}': "1x180"}


def repeated(values: str) -> str:
    """The values of at least three hours."""
    return " ".join([values] * 91)


BROKEN: Mapping[str, Series] = {
    "The API is down": {**unready("down"), 'journeys_lag{topic="orders.completed",partition="0"}': "0+100x180"},
    "Every request fails": {**degraded("failing"), 'journeys_orders_total{outcome="retried"}': "0+50x180"},
    "An order is slow": degraded("slow"),
    "The key is refused": unready("auth"),
    "The API throttles": {
        "journeys_requests_throttled_total": "0+20x180",
        'journeys_request_seconds_count{outcome="code-4290"}': "0+20x180",
    },
    "A flood of dead letters": {
        **unready("flood"),
        'journeys_orders_total{outcome="dead-lettered"}': "0+5x180",
    },
    "An operator holds it": unready("held"),
    "Kafka does not answer": {
        **unready("producer"),
        "journeys_orders_in_hand": "50x180",
        'journeys_transactions_total{outcome="unknown"}': "0+1x180",
    },
    "The registry does not answer": unready("registry"),
    "Out of the group": unready("group"),
    "A topic takes no records": unready("topic"),
    "A worker does not start": {**unready("starting"), **unready("producer"), **unready("group")},
    "Retries pile up": {'journeys_orders_total{outcome="retried"}': "0+50x180"},
    "Two groups share retry topics": degraded("foreign"),
    "Dead letters appear": {'journeys_orders_total{outcome="dead-lettered"}': "0+1x180"},
    "Lag grows": {"journeys_orders_due": "0+100x180"},
    "The API drifts": {'journeys_misfits_total{field="/event_at"}': "0+5x180"},
    "Two workers, one instance id": {'journeys_transactions_total{outcome="fenced"}': "0+1x180"},
}


def test_promtool_accepts_the_rules() -> None:
    """Each expression is valid."""
    promtool("check", "rules", FILE)


def test_promtool_accepts_the_configuration_of_docker_compose() -> None:
    """It checks the files that the configuration names, too."""
    promtool("check", "config", FILE.with_name("prometheus.yml"))


@pytest.mark.parametrize("series", [HEALTHY, IDLE, SETTLING], ids=["healthy", "idle", "settling"])
def test_no_alert_fires_for_a_worker_without_trouble(series: Series, tmp_path: Path) -> None:
    """Also while old failures stay in its counters."""
    assert_fires(set(), tmp_path, series, HEALTHY)


def test_no_alert_fires_while_workers_come_and_go(tmp_path: Path) -> None:
    """One starts, one has left, and one got two new releases in half an hour."""
    starting: Series = {"up": "_x176 0 1x5", 'journeys_unready{reason="starting"}': "_x177 1x5"}
    left: Series = {"up": "1x170 stale"}
    released: Series = {**HEALTHY, "process_start_time_seconds": "0x155 9360x9 9960x20"}
    assert_fires(set(), tmp_path, starting, left, released)


@pytest.mark.parametrize("state", BROKEN)
def test_alert_fires_in_its_state_alone(state: str, tmp_path: Path) -> None:
    """No other alert points to the wrong section. One worker is in the state, another one is healthy."""
    assert_fires({state}, tmp_path, {**HEALTHY, **BROKEN[state]}, HEALTHY)


@pytest.mark.parametrize(
    "series",
    [
        {**HEALTHY, "up": "0x180"},
        {"up": repeated("0 0 0 0 1"), 'journeys_unready{reason="starting"}': repeated("stale _ _ _ 1")},
        {"up": repeated("1 stale"), "process_start_time_seconds": repeated("1 stale 121 stale")},
    ],
    ids=["not scraped", "ends at its start", "ends later and has no address then"],
)
def test_worker_that_does_not_stay_up_is_reported(series: Series, tmp_path: Path) -> None:
    """It has ended, it is stuck, or a supervisor restarts it again and again."""
    assert_fires({"A worker does not start"}, tmp_path, series, HEALTHY)


def test_first_misfits_of_a_field_are_reported(tmp_path: Path) -> None:
    """The series begins with them, also if another worker has had misfits of this field for long."""
    misfits: Series = {**HEALTHY, 'journeys_misfits_total{field="/event_at"}': "_x150 500x30"}
    assert_fires({"The API drifts"}, tmp_path, misfits, HEALTHY)


def test_one_fence_of_each_worker_is_no_alert(tmp_path: Path) -> None:
    """A paused machine fences each of its workers once; only another process with the same instance id repeats it."""
    fenced: Series = {**HEALTHY, 'journeys_transactions_total{outcome="fenced"}': "0x177 1x5"}
    assert_fires(set(), tmp_path, fenced, fenced, fenced)


def test_last_worker_that_leaves_is_reported(tmp_path: Path) -> None:
    """A container that has stopped is in no DNS answer, so Prometheus forgets the worker with all its series."""
    left: Series = {"up": "1x60 stale", "journeys_orders_due": "0+100x60 stale"}
    assert_fires({"A worker does not start"}, tmp_path, left)


def test_each_alert_has_a_broken_series() -> None:
    """A new alert needs a new one."""
    assert set(BROKEN) == {title for title, state in states().items() if state.expression is not None}


@pytest.mark.parametrize(
    ("title", "series", "expected"),
    [
        (
            "Share of failed requests",
            {
                'journeys_request_failures_total{reason="status-503"}': "0+3x180",
                'journeys_request_seconds_count{outcome="status-503"}': "0+3x180",
            },
            1,
        ),
        (
            "Share of failed requests",
            {
                'journeys_request_failures_total{reason="status-503"}': "0x180",
                'journeys_request_seconds_count{outcome="ok"}': "0+3x180",
                'journeys_request_seconds_count{outcome="cancelled"}': "0+3x180",
            },
            0,
        ),
        (
            "Pages of an order",
            {
                "journeys_pages_total": "0+6x180",
                'journeys_orders_total{outcome="published"}': "0+3x180",
                'journeys_orders_total{outcome="retried"}': "0+3x180",
            },
            2,
        ),
    ],
    ids=["no request succeeds", "the worker cancels requests", "half of the orders fail"],
)
def test_panel_shows_its_average(title: str, series: Series, expected: float, tmp_path: Path) -> None:
    """Also while one of the outcomes has no series yet, or has nothing to do with the panel."""
    [panel] = [panel for panels in dashboard.PANELS.values() for panel in panels if panel.title == title]
    [expression] = panel.queries.values()
    shown = {"labels": "{}", "value": expected}
    assert_answer(expression.replace("$__rate_interval", "5m"), [shown], tmp_path, series)


def assert_fires(expected: set[str], directory: Path, *workers: Series) -> None:
    """Check which alerts fire after three hours, for workers with these series."""
    firing = [{"labels": f'{{alertname="{alert_name(state)}"}}', "value": 1} for state in expected]
    assert_answer('count by (alertname) (ALERTS{alertstate="firing"})', firing, directory, *workers)


def assert_answer(expression: str, expected: Sequence[Mapping[str, object]], directory: Path, *workers: Series) -> None:
    """Check what Prometheus answers after three hours, for workers with these series."""
    test = {
        "interval": "1m",
        "input_series": [
            {"series": _labelled(name, number), "values": values}
            for number, worker in enumerate(workers)
            for name, values in worker.items()
        ],
        "promql_expr_test": [{"expr": expression, "eval_time": "3h", "exp_samples": expected}],
    }
    file = directory / "test.yaml"
    file.write_text(json.dumps({"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", file)


def _labelled(series: str, worker: int) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{job="journeys",instance="worker-{worker}"{"," if labels else ""}{labels}}}'


def promtool(*command: str | Path) -> None:
    """Run promtool. Fails with its output unless it accepts the file."""
    words = ["promtool", *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - tests' own
    assert done.returncode == 0, done.stdout + done.stderr
