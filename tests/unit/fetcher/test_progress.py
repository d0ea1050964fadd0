"""The clock of one order, and the notes on its requests."""

from __future__ import annotations

from journeys.fetcher.progress import Progress


def test_clock_stands_still_between_requests() -> None:
    """An order that waits for its turn is not busy."""
    progress = Progress()
    assert progress.busy_s(99.0) == 0.0
    progress.began(100.0)
    assert progress.busy_s(103.0) == 3.0
    progress.ended(104.0)
    assert progress.busy_s(200.0) == 4.0
    progress.began(300.0)
    assert progress.busy_s(301.0) == 5.0


def test_requests_side_by_side_count_once() -> None:
    """The clock runs from the first of them to the last."""
    progress = Progress()
    progress.began(10.0)
    progress.began(11.0)
    progress.ended(12.0)
    assert progress.busy_s(13.0) == 3.0
    progress.ended(14.0)
    assert (progress.busy_s(99.0), progress.tries) == (4.0, 2)


def test_last_failure_has_its_reason() -> None:
    """None before the first one."""
    progress = Progress()
    assert progress.last_failure is None
    progress.failed("timeout", "the API did not answer in time")
    assert progress.last_failure == "timeout (the API did not answer in time)"
