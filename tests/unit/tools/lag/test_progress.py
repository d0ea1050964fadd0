"""How far a group is in one partition."""

from __future__ import annotations

import pytest

from journeys.consumer import offset_map
from journeys.consumer.ledger import Committed
from journeys.tools.lag.progress import Progress


def progress(watermark: int | None, *beyond: int, bounds: range = range(5, 20), counted: int | None = None) -> Progress:
    """A partition with this commit."""
    commit = None
    if watermark is not None:
        commit = Committed.of(watermark, offset_map.encode(watermark, beyond, topic_id=offset_map.NO_ID))
    return Progress(topic="orders", partition=0, commit=commit, bounds=bounds, counted=counted)


def test_open_orders_are_those_that_the_commit_does_not_cover() -> None:
    """All from the watermark to the end, without those in the map."""
    found = progress(12, 14, 15, 18)
    assert (found.open_offsets, found.beyond, found.orders, found.published) == (range(12, 20), 3, 5, 15)


def test_counted_orders_beat_the_offsets() -> None:
    """Transaction markers take offsets, too."""
    assert progress(12, counted=2).orders == 2


def test_everything_is_open_without_a_commit() -> None:
    """No worker has begun."""
    found = progress(None)
    assert (found.open_offsets, found.orders, found.published, found.problem) == (range(5, 20), 15, 5, None)


@pytest.mark.parametrize(
    ("watermark", "problem"),
    [(4, "retention removed 1 offsets"), (5, None), (20, None), (21, "beyond the end")],
)
def test_offset_out_of_range_is_a_problem(watermark: int, problem: str | None) -> None:
    """A worker would stop there. No open order is counted beyond the end."""
    found = progress(watermark)
    assert (found.problem is None) is (problem is None)
    assert (problem or "") in (found.problem or "")
    assert found.orders == max(0, 20 - max(watermark, 5))
