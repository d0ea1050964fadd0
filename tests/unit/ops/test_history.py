"""The ring buffer of the last 15 minutes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from journeys.ops.history import NOTHING, SLOT_S, SLOTS, History, quantile


def test_each_slot_has_the_rates_between_two_samples() -> None:
    """Totals since the start become orders per second."""
    history = History()
    history.add(replace(NOTHING, at=100.0, published=10, failed=1))
    history.add(replace(NOTHING, at=105.0, published=60, failed=2))
    [point] = history.points()
    assert (point.at, point.published_per_s, point.failed_per_s) == (105.0, 10.0, 0.2)
    assert history.pace_per_s(replace(NOTHING, at=110.0, published=111, failed=2)) == 10.2


def test_a_sample_is_due_every_five_seconds() -> None:
    """The first one at once, and also after the clock was set back."""
    history = History()
    assert history.is_due(100.0)
    history.add(replace(NOTHING, at=100.0))
    assert [history.is_due(at) for at in (100.0, 104.9, 105.0, 99.0)] == [False, False, True, True]


def test_the_oldest_slots_go_after_15_minutes() -> None:
    """The memory of the history is bounded."""
    history = History()
    for number in range(SLOTS + 50):
        history.add(replace(NOTHING, at=number * SLOT_S))
    points = history.points()
    assert len(points) * SLOT_S == 900
    assert points[-1].at == (SLOTS + 49) * SLOT_S


def test_the_time_to_catch_up_follows_the_fall_since_the_peak() -> None:
    """100 due orders that fell by 20 in 10 s take 50 s, also when they came in the same minute."""
    history = History()
    history.add(replace(NOTHING, at=0.0, due=0))
    history.add(replace(NOTHING, at=5.0, due=120))
    assert history.catch_up_s(replace(NOTHING, at=15.0, due=100)) == 50.0
    assert history.catch_up_s(replace(NOTHING, at=15.0, due=0)) == 0.0


def test_due_orders_that_do_not_fall_have_no_time_to_catch_up() -> None:
    """Neither do those that have fallen for a moment only."""
    history = History()
    assert history.catch_up_s(replace(NOTHING, at=0.0, due=5)) is None
    history.add(replace(NOTHING, at=5.0, due=120))
    assert history.catch_up_s(replace(NOTHING, at=15.0, due=130)) is None
    assert history.catch_up_s(replace(NOTHING, at=8.0, due=119)) is None


def test_a_worker_without_a_sample_has_no_history() -> None:
    """Its pace is 0."""
    history = History()
    assert (history.points(), history.pace_per_s(NOTHING), history.first()) == ([], 0.0, NOTHING)


@pytest.mark.parametrize(
    ("share", "counts", "expected"),
    [
        (0.5, {0.1: 10.0, 0.2: 20.0, math.inf: 20.0}, 0.1),
        (0.75, {0.1: 10.0, 0.2: 20.0, math.inf: 20.0}, 0.15),
        (0.95, {0.1: 0.0, 0.2: 0.0, math.inf: 5.0}, 0.2),
        (0.5, {0.1: 0.0, math.inf: 0.0}, None),
        (0.5, {}, None),
    ],
)
def test_quantiles_are_those_of_prometheus(share: float, counts: dict[float, float], expected: float | None) -> None:
    """Linear within a bucket, the last finite bound for the infinite one, and nothing without a value."""
    assert quantile(share, {}, counts) == expected


def test_quantiles_leave_out_older_values() -> None:
    """Only what came between two states of the histogram counts."""
    before, after = {0.1: 50.0, 0.2: 50.0, math.inf: 50.0}, {0.1: 50.0, 0.2: 60.0, math.inf: 60.0}
    assert quantile(0.5, before, after) == pytest.approx(0.15)
