"""The lag of a group, as JSON and as sentences."""

from __future__ import annotations

import json

import pytest
from tests.support.json_pages import differences

from journeys.consumer.ledger import Committed
from journeys.tools.lag import report
from journeys.tools.lag.progress import OpenOrder, Progress
from journeys.tools.lag.report import Measurement, Pace

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z


def partition(number: int, watermark: int, end: int, *, topic: str = "orders", due_ms: int | None = None) -> Progress:
    """A partition whose oldest open order, if there is one, was written a minute ago."""
    oldest = OpenOrder(offset=watermark, order=f"A-{watermark}", at_ms=NOW_MS - 60_000, due_ms=due_ms)
    return Progress(
        topic=topic,
        partition=number,
        commit=Committed(watermark=watermark),
        bounds=range(end),
        counted=end - watermark,
        oldest=oldest if watermark < end else None,
    )


def measured(at_ms: int, *orders: Progress, retries: tuple[Progress, ...] = ()) -> Measurement:
    """A measurement of these partitions."""
    return Measurement(at_ms=at_ms, orders=orders, retries=retries)


def test_pace_is_the_difference_of_two_measurements() -> None:
    """Published and arrived orders a second, over all partitions; a partition that is new has no pace yet."""
    old = [partition(0, 10, 100), partition(1, 0, 0)]
    new = [partition(0, 40, 110), partition(1, 10, 20), partition(2, 5, 6)]
    assert report.pace(old, new, seconds=10) == Pace(published=4.0, arrived=3.0)
    assert report.pace(old, new, seconds=0) is None


@pytest.mark.parametrize(
    ("published", "arrived", "orders", "seconds"),
    [(4.0, 1.0, 30, 10.0), (4.0, 4.0, 30, None), (1.0, 4.0, 30, None), (0.0, 0.0, 0, 0.0)],
)
def test_time_to_catch_up_needs_a_gain(published: float, arrived: float, orders: int, seconds: float | None) -> None:
    """If as many orders arrive as are published, there is no end in sight."""
    assert Pace(published=published, arrived=arrived).catch_up_s(orders) == seconds


def test_json_is_as_its_page_says() -> None:
    """Totals are over the order topics; retries stand apart, because they wait on purpose."""
    old = measured(NOW_MS - 10_000, partition(0, 10, 30))
    retry = partition(0, 1, 3, topic="retry.1m", due_ms=NOW_MS + 5000)
    new = measured(NOW_MS, partition(0, 20, 30), retries=(retry,))
    found = json.loads(json.dumps(report.as_json("journeys", 0.0, new, old)))
    assert differences("journeys lag", found) == []
    totals = {name: found[name] for name in ("orders", "exact", "lag_s", "published_per_s", "catch_up_s", "retries")}
    assert totals == {
        "orders": 10,
        "exact": True,
        "lag_s": 60.0,
        "published_per_s": 1.0,
        "catch_up_s": 10.0,
        "retries": 2,
    }
    assert found["next_retry"] == "2025-11-25T10:00:05.000Z"
    assert [(row["kind"], row["oldest"]["order"], row["watermark"]) for row in found["partitions"]] == [
        ("orders", "A-20", 20),
        ("retry", "A-1", 1),
    ]


def test_first_measurement_has_no_pace() -> None:
    """Without open orders there is nothing to catch up with."""
    found = report.as_json("journeys", 0.0, measured(NOW_MS, partition(0, 5, 5)), None)
    assert differences("journeys lag", found) == []
    assert (found["measured_s"], found["published_per_s"], found["catch_up_s"]) == (None, None, 0.0)
    assert report.as_json("journeys", 0.0, measured(NOW_MS, partition(0, 4, 5)), None)["catch_up_s"] is None


def test_partition_out_of_range_is_named() -> None:
    """The command ends with exit code 1 then."""
    found = report.as_json("journeys", 0.0, measured(NOW_MS, partition(3, 9, 5)), None)
    assert [problem.split(":")[0] for problem in found["problems"]] == ["orders/3"]
