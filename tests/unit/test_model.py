"""The values that consumer, fetcher and producer exchange."""

from __future__ import annotations

from journeys.model import Unreadable


def test_unreadable_values_are_equal_by_their_text() -> None:
    """Two readings of the same answer are equal; a text that looks like it is another value."""
    assert Unreadable("NaN") == Unreadable("NaN")
    assert Unreadable("NaN") != "NaN"
    assert len({Unreadable("NaN"), Unreadable("NaN"), Unreadable("Infinity")}) == 2
