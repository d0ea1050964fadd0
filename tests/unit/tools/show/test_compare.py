"""The published journey and the API's."""

from __future__ import annotations

from collections.abc import Mapping

from journeys.model import Json
from journeys.tools.show.compare import Difference, compare
from journeys.tools.show.edition import Edition


def edition(*events: tuple[str, Mapping[str, Json]]) -> Edition:
    """These events."""
    return Edition(summary={}, events=events)


def event(position: int, page: str = "/", fetched_at: int = 0) -> dict[str, Json]:
    """An event with a page."""
    return {"position": position, "event_page_url": page, "fetched_at": fetched_at, "edition": str(fetched_at)}


def test_two_readings_of_the_same_journey_do_not_differ() -> None:
    """Neither in what says when they were read, nor in the order of the records."""
    old = edition(("ads", event(0)), ("email", event(1)))
    assert compare(old, edition(("email", event(1, fetched_at=9)), ("ads", event(0, fetched_at=9)))) == []


def test_differences_are_named_by_position() -> None:
    """A changed field, another channel, and events that only one of the two has."""
    old = edition(("ads", event(0)), ("ads", event(1)), ("direct", event(2)), ("email", event(4)))
    new = edition(("ads", event(0, page="/cart")), ("email", event(1)), ("direct", event(2)), ("direct", event(3)))
    assert compare(old, new) == [
        Difference(position=0, channel="ads", kind="changed", fields=("event_page_url",)),
        Difference(position=1, channel="email", kind="changed", fields=("channel",)),
        Difference(position=3, channel="direct", kind="only-at-the-api"),
        Difference(position=4, channel="email", kind="only-published"),
    ]
