"""Metrics: their names, their labels, and what is read only when someone asks."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from journeys.ops import metrics
from journeys.ops.definitions import Labels
from journeys.ops.metrics import Metrics


def samples(of: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every value shown, by name and label values, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(of.render().decode())
        for sample in family.samples
    }


def test_counters_add_up_by_label() -> None:
    """Each label set is a series of its own."""
    shown = Metrics()
    shown.count("events", "ads")
    shown.count("events", "ads", by=3)
    shown.count("events", "email")
    shown.count("pages", by=2)
    assert samples(shown)["journeys_events_total", ("ads",)] == 4
    assert samples(shown)["journeys_events_total", ("email",)] == 1
    assert samples(shown)["journeys_pages_total", ()] == 2


def test_outcomes_start_from_zero() -> None:
    """The first dead letter after a start is seen as an increase."""
    found = samples(Metrics())
    assert found["journeys_orders_total", ("dead-lettered",)] == 0
    assert found["journeys_transactions_total", ("aborted",)] == 0
    assert found["journeys_transactions_total", ("fenced",)] == 0


def test_durations_are_histograms() -> None:
    """Requests by their outcome, transactions as they are."""
    shown = Metrics()
    shown.observe("request.seconds", 0.2, "ok")
    shown.observe("transaction.seconds", 0.04)
    assert samples(shown)["journeys_request_seconds_count", ("ok",)] == 1
    assert samples(shown)["journeys_transaction_seconds_sum", ()] == pytest.approx(0.04)


def test_watched_totals_are_counters() -> None:
    """A scrape reads the total that another part counts."""
    shown = Metrics()
    lost = [3]
    shown.watch_total("log.lines.lost", lambda: lost[0])
    assert "# TYPE journeys_log_lines_lost_total counter" in shown.render().decode()
    lost[0] = 4
    assert samples(shown)["journeys_log_lines_lost_total", ()] == 4


def test_watched_values_are_read_at_each_scrape() -> None:
    """A gauge shows what is so at that moment, for each label set."""
    shown = Metrics()
    lag: dict[Labels, float] = {("orders.completed", "0"): 5.0}
    shown.watch("lag", lambda: lag)
    shown.watch("orders.in_hand", lambda: len(lag))
    assert samples(shown)["journeys_lag", ("0", "orders.completed")] == 5
    lag["orders.completed", "1"] = 7.0
    assert samples(shown)["journeys_lag", ("1", "orders.completed")] == 7
    assert samples(shown)["journeys_orders_in_hand", ()] == 2


def test_misfits_in_an_array_count_as_one_field() -> None:
    """A pointer's numbers would make a series for each place."""
    shown = Metrics()
    shown.misfit("/products/0/price")
    shown.misfit("/products/12/price")
    shown.misfit("/products/3")
    assert samples(shown)["journeys_misfits_total", ("/products/*/price",)] == 2
    assert samples(shown)["journeys_misfits_total", ("/products/*",)] == 1


def test_label_sets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes in as a label, the number of series has an end, and nothing goes uncounted."""
    monkeypatch.setattr(metrics, "_MOST_SERIES", 3)
    shown = Metrics()
    for number in range(10):
        shown.count("dead_letters", f"reason-{number}")
    found = {name: value for name, value in samples(shown).items() if name[0] == "journeys_dead_letters_total"}
    assert sum(found.values()) == 10
    assert len(found) == 4
