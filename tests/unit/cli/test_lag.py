"""`journeys lag` on the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from journeys.cli import main
from journeys.cli.lag import measurements, view
from journeys.consumer.ledger import Committed
from journeys.tools.lag import report
from journeys.tools.lag.measure import LagMeter
from journeys.tools.lag.progress import OpenOrder, Progress
from journeys.tools.lag.report import Measurement

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z


def partition(watermark: int, *, topic: str = "orders", counted: int | None = 3) -> Progress:
    """A partition with 1000 offsets."""
    return Progress(
        topic=topic,
        partition=0,
        commit=Committed(watermark=watermark, beyond=frozenset({watermark + 1})),
        bounds=range(1000),
        counted=counted,
        oldest=OpenOrder(offset=watermark, order="[red]A\x1b", at_ms=NOW_MS - 90_000, due_ms=NOW_MS + 1000),
    )


def shown(*, counted: int | None = 3, width: int = 80, settle_s: float = 0.0) -> str:
    """The report of two measurements as it is printed."""
    old = Measurement(at_ms=NOW_MS - 5000, orders=(partition(10),), retries=())
    retry = partition(10, topic="retry.1m")
    new = Measurement(at_ms=NOW_MS, orders=(partition(20, counted=counted),), retries=(retry,))
    out = io.StringIO()
    Console(file=out, width=width).print(view(report.as_json("journeys", settle_s, new, old)))
    return out.getvalue()


def test_report_names_the_oldest_order_its_age_and_when_all_is_caught_up() -> None:
    """Text of an order id is no markup, and its terminal codes are escaped."""
    text = shown(width=160)
    assert '"[red]A\\u001b"' in text
    assert "3 orders of group journeys are not published; the oldest was written 1m 30s ago." in text
    assert "2.0 published a second, 0.0 arrive: caught up in 1.5s." in text
    assert "3 orders in the retry tiers; the next is due at 2025-11-25 10:00:01 UTC." in text


def test_orders_that_were_not_counted_are_at_most_so_many() -> None:
    """The offsets of a long partition hold transaction markers, too."""
    assert "At most 979 orders" in " ".join(shown(counted=None).split())


def test_settle_time_is_explained() -> None:
    """Young orders are open on purpose."""
    assert "An order waits until it is 30m old" in shown(settle_s=1800.0)


@pytest.mark.parametrize("width", [60, 80, 160])
def test_report_fits_the_terminal(width: int) -> None:
    """No line is longer than the terminal is wide."""
    assert max(len(line) for line in shown(width=width).splitlines()) <= width


def test_wrong_time_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any connection."""
    assert main(["lag", "--every", "soon"]) == 2
    assert "--every" in capsys.readouterr().err


def test_group_that_publishes_nothing_makes_the_report_ask_for_a_worker() -> None:
    """No pace means no end in sight, and mostly no worker."""
    still = Measurement(at_ms=NOW_MS - 5000, orders=(partition(20),), retries=())
    new = Measurement(at_ms=NOW_MS, orders=(partition(20),), retries=())
    out = io.StringIO()
    Console(file=out, width=80).print(view(report.as_json("journeys", 0.0, new, still)))
    assert "No order was published meanwhile: does a worker run?" in out.getvalue()


def test_offset_beyond_the_end_is_shown_in_place_of_all_published() -> None:
    """The topic was created again: no order is open by the offsets, but the workers cannot go on."""
    new = Measurement(at_ms=NOW_MS, orders=(partition(5000, counted=None),), retries=())
    out = io.StringIO()
    Console(file=out, width=160).print(view(report.as_json("journeys", 0.0, new, None)))
    assert "orders/0: the group's offset is beyond the end: was the topic created again?" in out.getvalue()
    assert "are published" not in out.getvalue()


class Meter(LagMeter):
    """A meter that gives these measurements, and asks to stop after the last one."""

    def __init__(self, *measurements: Measurement) -> None:
        self._left = list(measurements)

    def measure(self) -> Measurement:
        """The next measurement."""
        return self._left.pop(0)

    def stopped(self) -> bool:
        """Whether all were given."""
        return not self._left


def at(seconds: int, *partitions: Progress) -> Measurement:
    """A measurement at this time."""
    return Measurement(at_ms=NOW_MS + 1000 * seconds, orders=partitions, retries=())


def test_second_measurement_is_made_only_if_orders_are_open() -> None:
    """A group that is done has no pace to wait for."""
    done, behind, later = at(0, partition(999, counted=0)), at(0, partition(10)), at(5, partition(20))
    meter = Meter(done)
    assert [*measurements(meter, 0.0, lambda: False, forever=False)] == [(done, None)]
    meter = Meter(behind, later)
    assert [*measurements(meter, 0.0, lambda: False, forever=False)] == [(later, behind)]
    meter = Meter(behind)
    assert [*measurements(meter, 60.0, meter.stopped, forever=False)] == [(behind, None)], "a signal ends the pause"


def test_watching_measures_until_a_signal() -> None:
    """Each report has the pace since the one before it."""
    first, second, third = at(0, partition(10)), at(5, partition(20)), at(10, partition(30))
    meter = Meter(first, second, third)
    found = [*measurements(meter, 0.0, meter.stopped, forever=True)]
    assert found == [(first, None), (second, first), (third, second)]
