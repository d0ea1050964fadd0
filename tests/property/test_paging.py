"""The paging rule against a model of the API that may change its mind between any two pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from journeys.errors import NotFoundYetError, RejectedOrderError
from journeys.fetcher.pages import Page
from journeys.fetcher.paging import Paging, Reading
from journeys.model import Json

events_of = st.lists(
    st.one_of(
        st.fixed_dictionaries({"event_id": st.integers(0, 30).map(str), "content": st.integers(0, 3)}),
        st.fixed_dictionaries({"content": st.integers(0, 3)}),
        st.none(),
        st.just("no event"),
    ),
    max_size=60,
)


def unique(events: list[Json]) -> list[Json]:
    """The same events, each with an id of its own if it has one."""
    return [
        event | {"event_id": f"e{place}"} if isinstance(event, dict) and "event_id" in event else event
        for place, event in enumerate(events)
    ]


def page_of(events: list[Json], number: int, size: int, total: int | None = None) -> Page:
    """Page `number` of these events, as an API would cut it."""
    return Page(
        number=number,
        size=size,
        total=len(events) if total is None else total,
        events=events[(number - 1) * size : number * size],
        shop_currency="USD",
        extra={},
        bytes=1,
    )


def read(paging: Paging, versions: list[list[Json]], size: int, data: st.DataObject) -> tuple[Reading, int]:
    """Drive the rule: pages arrive in any order, and each is cut from the version current when it is answered."""
    answered = 0
    waiting: list[int] = []
    while True:
        waiting += paging.wanted()
        if not waiting:
            break
        number = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        current = versions[min(answered, len(versions) - 1)]
        paging.receive(page_of(current, number, size))
        answered += 1
    assert paging.result is not None
    return paging.result, answered


@given(events_of.filter(bool).map(unique), st.integers(1, 25), st.data())
def test_an_unchanging_journey_is_whole_in_any_paging(events: list[Json], size: int, data: st.DataObject) -> None:
    """Any split into pages, answered in any order, gives every event once, in place, in one reading."""
    reading, answered = read(Paging(max_events=100), [events], size, data)
    assert list(reading.events) == events
    assert (reading.consistent, reading.repeated, reading.total) == (True, 0, len(events))
    assert reading.pages == max(1, -(-len(events) // size))
    assert answered - reading.pages <= (len(events) % size == 0)


@given(events_of.filter(bool), st.integers(1, 25), st.integers(0, 100), st.data())
def test_no_event_is_lost_whatever_total_says(items: list[Json], size: int, total: int, data: st.DataObject) -> None:
    """Every event with a content of its own is published in its place, also if its id is another one's."""
    events = [(item if isinstance(item, dict) else {}) | {"place": place} for place, item in enumerate(items)]
    paging = Paging(max_events=1000)
    while wanted := paging.wanted():
        for number in data.draw(st.permutations(wanted)):
            paging.receive(page_of(events, number, size, total))
    assert paging.result is not None
    assert list(paging.result.events) == events
    assert paging.result.consistent == (total == len(events))


@given(st.lists(events_of, min_size=1, max_size=12), st.integers(1, 25), st.data())
def test_a_changing_journey_is_whole_or_inconsistent(
    versions: list[list[Json]], size: int, data: st.DataObject
) -> None:
    """A journey accepted as consistent is whole, whatever changes between pages."""
    paging = Paging(max_events=100)
    try:
        reading, answered = read(paging, versions, size, data)
    except NotFoundYetError:
        return  # it was empty once
    if reading.consistent:
        assert reading.total in {len(reading.events), len(reading.events) + reading.repeated}
    assert reading.pages <= answered
    # Three readings at most, each of at most two pages more than the largest version needs.
    assert answered <= 3 * (max(-(-len(version) // size) for version in versions) + 2)


@given(st.lists(st.integers(0, 50), min_size=200, max_size=200), st.integers(1, 10), st.data())
def test_reading_ends_with_any_total(totals: list[int], size: int, data: st.DataObject) -> None:
    """Totals that change from page to page never keep the reader going for ever."""
    paging = Paging(max_events=40)
    waiting: list[int] = []
    answered = 0
    try:
        while True:
            waiting += paging.wanted()
            if not waiting:
                break
            number = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            paging.receive(page_of([{"n": number}], number, size, totals[answered]))
            answered += 1
    except (NotFoundYetError, RejectedOrderError):
        pass
    assert answered <= 3 * 50
