"""An edition and its events."""

from __future__ import annotations

from tests.support.order_story import edition


def test_edition_is_whole_with_as_many_records_as_its_summary_says() -> None:
    """Also of the items that were no events."""
    assert edition(1, "ads", "email", "email").missing == {}
    assert edition(1, "ads", "email", "email", "rejected", rejected=1).missing == {}


def test_missing_and_surplus_records_are_counted_by_channel() -> None:
    """A surplus is negative."""
    assert edition(1, "ads", "ads", "email", rejected=1).missing == {"ads": -1, "email": 1, "rejected": 1}


def test_timeline_is_in_the_order_of_the_journey() -> None:
    """Not in the order of reading."""
    assert [event.channel for event in edition(1, "ads", "email", "direct").timeline()] == ["direct", "email", "ads"]


def test_newest_edition_has_the_latest_reading_then_the_greatest_name() -> None:
    """As consumers choose it; a re-reading has the source of the first reading."""
    old, first, second = edition(9, day=24), edition(1), edition(1, name="orders/0/1#1")
    assert max([second, old, first], key=lambda each: each.newness) is second
    assert second.source == first.source == "orders/0/1"
