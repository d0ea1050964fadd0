"""Which orders count as whole, half, lost, stalled and doubled."""

from __future__ import annotations

from benchmarks.peers.account import settle


def events(order: str, *positions: int) -> list[tuple[str, int]]:
    """Events of an order, as they are read back."""
    return [(order, position) for position in positions]


def test_an_order_is_whole_when_each_of_its_events_is_seen() -> None:
    """The order in which the events are seen does not matter."""
    found = settle({"a": 2, "b": 1}, events("a", 1, 0) + events("b", 0), {"a"})
    assert (found.whole, found.harmed, found.stalled, found.complete) == (2, 0, 0, True)
    assert found.examples == {}


def test_an_order_without_events_is_whole() -> None:
    """An order without events has nothing to miss."""
    assert settle({"a": 0}, [], set()).complete


def test_an_order_is_half_when_some_of_its_events_are_seen() -> None:
    """Half is half, whether the group committed it or not."""
    found = settle({"a": 3, "b": 3}, events("a", 0, 2) + events("b", 1), {"b"})
    assert (found.half, found.lost, found.stalled) == (2, 0, 0)
    assert found.examples == {"half": "a"}


def test_an_unseen_order_is_lost_behind_the_commit_and_stalled_before_it() -> None:
    """Only an order that the group has passed is lost."""
    found = settle({"a": 1, "b": 1}, [], {"a"})
    assert (found.lost, found.stalled, found.whole) == (1, 1, 0)
    assert found.examples == {"lost": "a", "stalled": "b"}


def test_a_doubled_order_counts_once() -> None:
    """An order counts as doubled once, however many of its events are seen again, and is whole too."""
    found = settle({"a": 2, "b": 2}, events("a", 0, 1, 0, 1, 1) + events("b", 0, 1), set())
    assert (found.whole, found.doubled, found.harmed) == (2, 1, 1)


def test_a_half_order_may_be_doubled_too() -> None:
    """One event is seen twice and another never."""
    found = settle({"a": 2}, events("a", 0, 0), {"a"})
    assert (found.half, found.doubled, found.harmed) == (1, 1, 2)


def test_unexpected_events_are_strange() -> None:
    """Positions beyond the journey and unknown orders are counted as strange."""
    found = settle({"a": 1}, events("a", 0, 1, -1) + events("b", 0, 0), set())
    assert (found.strange, found.complete) == (4, True)


def test_every_order_has_one_state() -> None:
    """The counts of the four states add up to the number of orders."""
    owed = dict.fromkeys("abcd", 2)
    found = settle(owed, events("a", 0, 1) + events("b", 0), {"c"})
    assert found.whole + found.half + found.lost + found.stalled == found.owed == len(owed)
