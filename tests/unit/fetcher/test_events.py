"""Joining the items of pages: when two items are the same event."""

from __future__ import annotations

from itertools import combinations

import pytest

from journeys.fetcher.events import Events, content
from journeys.model import Json, Unreadable


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
        (129.9, 129.90),
        (Number("129.9"), Number("129.90")),
        (Number("1e2"), 100),
        (Number("-0.0"), 0),
        (Unreadable("NaN"), Unreadable("NaN")),
        ([1, [2]], [1.0, [2.0]]),
    ],
)
def test_equal_content(one: Json, other: Json) -> None:
    """Numbers are equal by value, objects whatever the order of their keys."""
    assert content(one) == content(other)
    assert hash(content(one)) == hash(content(other))


def test_different_content() -> None:
    """Content is typed, and the order of a list counts."""
    values: list[Json] = [
        *(True, 1, "1", False, 0, "0", None, "", "null", [], {}, [[]], [{}], {"a": None}, {"a": []}, [1, 2], [2, 1]),
        *(Number("1.5"), "1.5", Number("1e99999999999999999999"), Number("1e99999999999999999998"), "NaN"),
        *(Unreadable("NaN"), ["bool", True], [True], [("bool", True)]),
    ]
    for one, other in combinations(values, 2):
        assert content(one) != content(other), (one, other)


@pytest.mark.parametrize("opened", ["list", "dict"])
def test_deep_values_are_compared(opened: str) -> None:
    """A value beyond the depth of recursion is equal to another only if all of it is."""

    def deep(innermost: Json) -> Json:
        value = innermost
        for _ in range(5000):
            value = [value] if opened == "list" else {"a": value}
        return value

    assert content(deep(1)) == content(deep(1.0))
    assert content(deep(1)) != content(deep(True))
    assert content(deep(1)) != content(deep([1]))


def test_only_a_page_with_an_unseen_item_has_news() -> None:
    """By id first, then by content."""
    events = Events()
    events.add([{"event_id": "a", "n": 1}, {"n": 1}])
    assert not events.has_news([])
    assert not events.has_news([{"event_id": "a", "n": 1}, {"n": 1}])
    assert events.has_news([{"event_id": "b", "n": 1}])
    assert events.has_news([{"event_id": "a", "n": 2}])
    assert events.has_news([{"n": 2}])
    events.add([{"event_id": "a", "n": 2}, {"n": 2}])
    assert not events.has_news([{"event_id": "a", "n": 1}, {"event_id": "a", "n": 2}, {"n": 2}])


@pytest.mark.parametrize("identity", [True, 7, [1], {"a": 1}])
def test_an_id_of_any_type_is_an_id(identity: Json) -> None:
    """Identical items with it are one event, different ones share it."""
    events = Events()
    events.add([{"event_id": identity}, {"event_id": identity}, {"event_id": identity, "n": 1}])
    assert (len(events.items), events.repeated, events.shared_ids) == (2, 1, 2)
