"""The offset map: its limits, and what damage is."""

from __future__ import annotations

import pytest

from journeys.consumer import offset_map


def test_map_before_its_watermark_is_refused() -> None:
    """It would name other offsets than were meant."""
    with pytest.raises(ValueError, match="offset 2 lies before the watermark 3"):
        offset_map.encode(3, [4, 2], topic_id=offset_map.NO_ID)


def test_impossibly_long_run_is_damage() -> None:
    """A few characters must not name millions of orders as published."""
    for length in (1000, 10_000_000):
        body = bytes([0, *offset_map._varint(length)])
        metadata = "1r" + offset_map._text(body)
        if length == 1000:
            assert offset_map.decode(7, metadata) == set(range(7, 1007))
        else:
            with pytest.raises(offset_map.UnknownMapError, match="damaged"):
                offset_map.decode(7, metadata)


def test_empty_map_is_the_stamp_alone() -> None:
    """With nothing in hand, and with nothing beyond the watermark: version and id."""
    assert offset_map.encode(5, [], topic_id="q7Wm4xXpTxyRmQ0c9K1nPg") == "2q7Wm4x"
    assert (offset_map.worst_size(0, 5), offset_map.worst_size(5, 0)) == (7, 7)
    assert offset_map.decode(5, "2q7Wm4x") == frozenset()
