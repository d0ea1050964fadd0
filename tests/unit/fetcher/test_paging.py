"""The paging rule, case by case."""

from __future__ import annotations

import pytest

from journeys.errors import NotFoundYetError, RejectedOrderError, TransientError
from journeys.fetcher.pages import Page
from journeys.fetcher.paging import Paging
from journeys.model import Json


def page(number: int, events: list[Json], *, total: int, size: int = 2) -> Page:
    """One page."""
    return Page(number=number, size=size, total=total, events=events, shop_currency=None, extra={}, bytes=1)


def event(identity: str, content: int = 0) -> Json:
    """An event with an id."""
    return {"event_id": identity, "content": content}


def test_the_first_page_decides_how_many_there_are() -> None:
    """A server that caps the page size is asked for more pages, all of them at once."""
    paging = Paging(max_events=100)
    assert paging.wanted() == [1]
    paging.receive(page(1, [event("a"), event("b")], total=5))
    assert paging.wanted() == [2, 3]
    assert paging.wanted() == []


def test_an_empty_journey_is_absent() -> None:
    """`total` 0 means not there yet."""
    paging = Paging(max_events=100)
    paging.wanted()
    with pytest.raises(NotFoundYetError):
        paging.receive(page(1, [], total=0))


def test_a_repeated_id_is_read_again_and_then_believed() -> None:
    """Page 2 repeats an id of page 1: read again; the same again is believed, and counted."""
    paging = Paging(max_events=100)
    for _ in range(2):
        assert paging.wanted() == [1]
        paging.receive(page(1, [event("a", 1), event("b")], total=3))
        assert paging.wanted() == [2]
        paging.receive(page(2, [event("a", 2)], total=3))
    assert paging.result is not None
    assert paging.result.events == (event("a", 2), event("b"))
    assert (paging.result.repeated, paging.result.consistent, paging.result.total) == (1, False, 3)


def test_total_that_moved_is_read_again() -> None:
    """A journey that grew while it was read is read once more, and is then whole."""
    paging = Paging(max_events=100)
    paging.wanted()
    paging.receive(page(1, [event("a"), event("b")], total=3))
    paging.wanted()
    paging.receive(page(2, [event("c"), event("d")], total=4))
    assert paging.wanted() == [1]
    paging.receive(page(1, [event("a"), event("b")], total=4))
    paging.wanted()
    paging.receive(page(2, [event("c"), event("d")], total=4))
    assert paging.result is not None
    assert (len(paging.result.events), paging.result.consistent) == (4, True)


def test_what_never_settles_is_tried_later() -> None:
    """Three readings that all differ are no journey yet."""
    paging = Paging(max_events=100)
    for content in range(2):
        paging.wanted()
        paging.receive(page(1, [event("a", content)], total=2))
    paging.wanted()
    with pytest.raises(TransientError, match="keeps changing"):
        paging.receive(page(1, [event("a", 9)], total=2))


def test_events_without_an_id_each_count() -> None:
    """Without an id nothing can be a repeat: not null, not text, not two events that look the same."""
    events: list[Json] = [None, None, "text", {}, {}, {"event_id": None}, {"event_id": ""}, {"event_id": [1]}]
    paging = Paging(max_events=100)
    paging.wanted()
    paging.receive(page(1, events, total=8, size=100))
    assert paging.result is not None
    assert list(paging.result.events) == events


def test_a_journey_too_large_is_refused_by_its_total() -> None:
    """The first page is enough to know, before the others are fetched."""
    paging = Paging(max_events=3)
    paging.wanted()
    with pytest.raises(RejectedOrderError) as refused:
        paging.receive(page(1, [], total=4))
    assert refused.value.reason == "journey-too-large"


def test_a_journey_too_large_is_refused_by_what_came_whatever_its_total() -> None:
    """Repeated events count: a reading holds no more than the limit, and a second one begins anew."""
    paging = Paging(max_events=3)
    for _ in range(2):
        paging.wanted()
        paging.receive(page(1, [event("a"), event("b"), event("c")], total=2, size=3))
    assert paging.result is not None
    paging = Paging(max_events=3)
    paging.wanted()
    paging.receive(page(1, [event("a"), event("b")], total=3))
    paging.wanted()
    with pytest.raises(RejectedOrderError, match="has 4 events") as refused:
        paging.receive(page(2, [event("a"), event("b")], total=3))
    assert refused.value.reason == "journey-too-large"


def test_a_page_that_was_not_asked_for_is_a_defect() -> None:
    """The driver may hand over only what was wanted, once."""
    with pytest.raises(ValueError, match="page 1 was not asked for"):
        Paging(max_events=3).receive(page(1, [], total=0))
