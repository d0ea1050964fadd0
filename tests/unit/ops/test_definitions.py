"""The definitions of metrics: complete, by Prometheus's rules, and as docs/metrics.md shows them."""

from __future__ import annotations

from typing import get_args

from prometheus_client.parser import text_string_to_metric_families
from tests.support import metric_page

from journeys.ops.definitions import (
    COUNTERS,
    GAUGES,
    SECONDS,
    TOTALS,
    CounterName,
    GaugeName,
    SecondsName,
    TotalName,
    prometheus_name,
    series,
)
from journeys.ops.metrics import Metrics


def test_metric_page_is_up_to_date() -> None:
    """Run `python -m tests.support.metric_page` when this fails."""
    assert metric_page.PAGE.read_text(encoding="utf-8") == metric_page.page()


def test_every_name_has_one_definition() -> None:
    """A name without one would fail at the first count."""
    assert list(COUNTERS) == list(get_args(CounterName))
    assert list(SECONDS) == list(get_args(SecondsName))
    assert list(GAUGES) == list(get_args(GaugeName))
    assert list(TOTALS) == list(get_args(TotalName))


def test_series_have_the_names_of_a_scrape() -> None:
    """An alert or a panel may name any of them, and no other."""
    metrics = Metrics()
    for name, counted in COUNTERS.items():
        metrics.count(name, *("label" for _ in counted.labels))
    for timed, duration in SECONDS.items():
        metrics.observe(timed, 1.0, *("label" for _ in duration.labels))
    for gauge, read in GAUGES.items():
        metrics.watch(gauge, lambda labels=read.labels: {tuple("x" for _ in labels): 1.0})  # type: ignore[misc]
    for total, added in TOTALS.items():
        metrics.watch_total(total, lambda labels=added.labels: {tuple("x" for _ in labels): 1.0})  # type: ignore[misc]
    families = text_string_to_metric_families(metrics.render().decode())
    found = {sample.name for family in families for sample in family.samples if sample.name.startswith("journeys_")}
    assert found == series()


def test_prometheus_names_follow_the_dotted_names() -> None:
    """One rule leads from a name in the code to the one in Prometheus."""
    assert prometheus_name("orders.in_hand") == "journeys_orders_in_hand"
    assert prometheus_name("journeys.inconsistent") == "journeys_inconsistent"
