"""The paging rule, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from msgspec import structs

from journeys.errors import NotFoundYetError, RejectedOrderError
from journeys.fetcher.pages import Page
from journeys.fetcher.paging import Paging, Reading
from journeys.model import Json


def page(number: int, events: list[Json], *, total: int, size: int = 2) -> Page:
    """One page."""
    return Page(number=number, size=size, total=total, events=events, shop_currency=None, extra={}, bytes=1)


def event(identity: Json, content: Json = 0) -> Json:
    """An event with an id."""
    return {"event_id": identity, "content": content}


def numbered(count: int, *, start: int = 0) -> list[Json]:
    """Events with ids of their own."""
    return [event(f"e{number}") for number in range(start, start + count)]


def read(api: Mapping[int, Sequence[Page]], *, page_size: int = 2) -> tuple[Reading, list[int]]:
    """The accepted reading, and the pages requested; each page answers in turn, the last answer repeats.

    A page that the API does not have is requested as an extra page only.
    """
    paging, asked = Paging(max_events=10_000, page_size=page_size), list[int]()
    while wanted := paging.wanted():
        for number in wanted:
            answers = api.get(number)
            if answers is None:
                assert paging.is_extra
                paging.end()
            else:
                paging.receive(answers[min(asked.count(number), len(answers) - 1)])
        asked += wanted
    assert paging.result is not None
    return paging.result, asked


def cut(events: list[Json], *, by: int, total: int | None = None, size: int | None = None) -> dict[int, list[Page]]:
    """The pages of a journey, with `by` events each, from an API that says `total` and `size` of them."""
    total = len(events) if total is None else total
    return {
        number: [page(number, events[start : start + by], total=total, size=by if size is None else size)]
        for number, start in enumerate(range(0, len(events), by), start=1)
    }


@pytest.mark.parametrize(
    ("identities", "shared"),
    [
        (["e", "e", "e"], 3),
        (["0", "0", 0], 3),
        (["undefined", "undefined", "a"], 2),
        (["visit", "visit", "visit", "visit"], 4),
        (["a", "b", "c"], 0),
        ([1.0, "1", 2], 2),
    ],
)
def test_events_of_one_id_with_different_content_are_different_events(identities: list[Json], shared: int) -> None:
    """An event is its whole content: all are published, and `shared_ids` counts those whose id another one has."""
    events = [event(identity, content) for content, identity in enumerate(identities)]
    reading, asked = read({1: [page(1, events, total=len(events), size=100)]}, page_size=100)
    assert list(reading.events) == events
    assert (reading.shared_ids, reading.repeated, reading.consistent, asked) == (shared, 0, True, [1])


@pytest.mark.parametrize(("total", "requests"), [(3, [1, 2]), (2, [1])])
def test_identical_events_with_an_id_are_one_event(total: int, requests: list[int]) -> None:
    """The order of their keys does not count. `total` may count the items; there may be another event, then."""
    events: list[Json] = [event("a"), {"content": 0, "event_id": "a"}, event("b")]
    reading, asked = read({1: [page(1, events, total=total, size=100)]}, page_size=100)
    assert (reading.events, asked) == ((event("a"), event("b")), requests)
    assert (reading.repeated, reading.shared_ids, reading.consistent) == (1, 0, True)


@pytest.mark.parametrize("anonymous", [None, "", [], {}])
def test_events_without_an_id_all_count(anonymous: Json) -> None:
    """Without an id no event is a repeat: not null, not a text, not two events that look the same."""
    events: list[Json] = [None, None, "text", {}, {}, event(anonymous), event(anonymous)]
    reading, _ = read({1: [page(1, events, total=7, size=100)]}, page_size=100)
    assert list(reading.events) == events
    assert (reading.repeated, reading.shared_ids, reading.consistent) == (0, 0, True)


def test_more_items_than_total_make_repeats_of_events_without_an_id() -> None:
    """An unmoved `total` below the items read says that identical ones are one event."""
    events: list[Json] = [{"a": 1}, {"a": 1}, {"a": 2}]
    reading, asked = read({1: [page(1, events, total=2, size=100)]}, page_size=100)
    assert reading.events == ({"a": 1}, {"a": 2})
    assert (reading.repeated, reading.consistent, asked) == (1, True, [1, 1])


def test_a_repeat_across_pages_is_read_again() -> None:
    """Pages may have shifted; the same again is accepted."""
    pages = {1: [page(1, numbered(2), total=3)], 2: [page(2, [event("e1")], total=3)]}
    reading, asked = read(pages)
    assert reading.events == (event("e0"), event("e1"))
    assert (reading.repeated, reading.consistent, asked) == (1, True, [1, 2, 1, 2])


def test_an_event_that_changes_between_pages_is_read_again() -> None:
    """An id of page 1 comes on page 2 with other content: if it comes so again, these are two events."""
    pages = {1: [page(1, numbered(2), total=3)], 2: [page(2, [event("e1", 1)], total=3)]}
    reading, asked = read(pages)
    assert reading.events == (event("e0"), event("e1"), event("e1", 1))
    assert (reading.shared_ids, reading.consistent, asked) == (2, True, [1, 2, 1, 2])


def test_fields_beside_the_events_come_from_all_pages() -> None:
    """Of two values for one field the earlier page's is taken."""
    first = structs.replace(page(1, numbered(2), total=3), extra={"/a": 1})
    second = structs.replace(page(2, numbered(1, start=2), total=3), extra={"/a": 2, "/b": "only here"})
    reading, _ = read({1: [first], 2: [second]})
    assert reading.extra == {"/a": 1, "/b": "only here"}


@pytest.mark.parametrize(
    ("sent", "currency"), [(["", "EUR"], "EUR"), (["USD", "EUR"], "USD"), ([None, ""], ""), ([None, None], None)]
)
def test_the_shops_currency_is_the_first_that_is_not_empty(sent: list[str | None], currency: str | None) -> None:
    """An empty text is taken only if no page names a currency."""
    first = structs.replace(page(1, numbered(2), total=3), shop_currency=sent[0])
    second = structs.replace(page(2, numbered(1, start=2), total=3), shop_currency=sent[1])
    reading, _ = read({1: [first], 2: [second]})
    assert reading.shop_currency == currency


def test_the_first_page_decides_how_many_there_are() -> None:
    """A server that limits the page size is asked for more pages, all of them at once."""
    paging = Paging(max_events=100)
    assert paging.wanted() == [1]
    paging.receive(page(1, numbered(2), total=5))
    assert paging.pages_left == 2
    assert paging.wanted() == [2, 3]
    assert paging.wanted() == []


@pytest.mark.parametrize(("count", "extra"), [(1, 0), (99, 0), (100, 1), (101, 0), (200, 1), (250, 0)])
def test_only_a_full_last_page_costs_a_request_more(count: int, extra: int) -> None:
    """Usual journeys are read with as many requests as they have pages."""
    reading, asked = read(cut(numbered(count), by=100), page_size=100)
    assert (len(reading.events), reading.consistent) == (count, True)
    assert len(asked) == -(-count // 100) + extra


def test_a_page_size_that_is_smaller_than_its_echo_cuts_nothing() -> None:
    """250 events, 50 a page, under an echo of 100."""
    reading, asked = read(cut(numbered(250), by=50, size=100), page_size=100)
    assert (list(reading.events), reading.consistent, reading.pages) == (numbered(250), True, 5)
    assert asked == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("total", [0, 100, 150, 249])
def test_a_total_that_is_too_small_cuts_nothing(total: int) -> None:
    """250 events, whatever `total` says: full pages are followed by one more."""
    reading, _ = read(cut(numbered(250), by=100, total=total), page_size=100)
    assert (list(reading.events), reading.total, reading.consistent) == (numbered(250), total, False)


def test_a_total_that_counts_the_page_cuts_nothing() -> None:
    """`total` 100, 100, 50."""
    pages = cut(numbered(250), by=100)
    counted = {
        number: [page(number, each.events, total=len(each.events), size=100)] for number, (each,) in pages.items()
    }
    reading, _ = read(counted, page_size=100)
    assert (list(reading.events), reading.consistent) == (numbered(250), False)


@pytest.mark.parametrize("total", [4, 10_000])
def test_a_total_that_is_too_large_ends_with_the_news(total: int) -> None:
    """Reading goes on while the last page brings something new, and a short first page is not believed at once."""
    pages = {number: [page(number, [], total=total, size=100)] for number in range(2, 10_000)}
    reading, asked = read(pages | {1: [page(1, numbered(3), total=total, size=100)]}, page_size=100)
    assert (list(reading.events), reading.consistent) == (numbered(3), False)
    assert asked == [1, 2, 1, 2]


def test_an_extra_page_that_repeats_the_last_one_is_the_end() -> None:
    """A server that ignores `page` sends everything again: nothing is counted as repeated."""
    everything = [page(number, [{"a": 1}, {"a": 2}], total=2) for number in (1, 2)]
    reading, asked = read({1: everything[:1], 2: everything[1:]})
    assert (reading.events, reading.pages, reading.repeated) == (({"a": 1}, {"a": 2}), 1, 0)
    assert (reading.consistent, asked) == (True, [1, 2])


def test_readings_that_are_too_deep_to_compare_end_inconsistent() -> None:
    """No comparison fails for them; the last reading is accepted."""

    def answer() -> Page:
        deep: Json = 1
        for _ in range(5000):
            deep = [deep]
        return page(1, [event("a", deep)], total=2, size=100)

    reading, asked = read({1: [answer(), answer(), answer()], 2: [page(2, [], total=2, size=100)]}, page_size=100)
    assert (len(reading.events), reading.consistent, asked) == (1, False, [1, 2] * 3)


def test_an_empty_journey_is_absent() -> None:
    """`total` 0 means not there yet."""
    paging = Paging(max_events=100)
    paging.wanted()
    with pytest.raises(NotFoundYetError):
        paging.receive(page(1, [], total=0))


def test_a_total_that_moves_is_read_again() -> None:
    """A journey that grew while it was read is read once more, and is then whole."""
    first = [page(1, numbered(2), total=3), page(1, numbered(2), total=4)]
    reading, asked = read({1: first, 2: [page(2, numbered(2, start=2), total=4)]})
    assert (list(reading.events), reading.consistent) == (numbered(4), True)
    assert asked == [1, 2, 3, 1, 2, 3]


def test_readings_that_never_agree_end_inconsistent() -> None:
    """The last of three different readings is accepted: an order never becomes a dead letter for it."""
    changing = [page(1, [event("a", content)], total=5, size=100) for content in range(3)]
    reading, asked = read({1: changing, 2: [page(2, [], total=5, size=100)]}, page_size=100)
    assert (reading.events, reading.consistent) == ((event("a", 2),), False)
    assert asked == [1, 2] * 3


def test_a_journey_too_large_is_refused_by_its_total() -> None:
    """The first page is enough to know, before the others are fetched."""
    paging = Paging(max_events=3)
    paging.wanted()
    with pytest.raises(RejectedOrderError) as refused:
        paging.receive(page(1, [], total=4))
    assert refused.value.reason == "journey-too-large"


def test_a_journey_too_large_is_refused_by_its_items() -> None:
    """Its `total` does not count; repeated events do, and a second reading counts anew."""
    pages = {1: [page(1, numbered(3), total=2, size=100)]}
    paging = Paging(max_events=3)
    for _ in range(2):
        paging.wanted()
        paging.receive(pages[1][0])
    assert paging.result is not None
    paging = Paging(max_events=3)
    paging.wanted()
    paging.receive(page(1, numbered(2), total=3))
    paging.wanted()
    with pytest.raises(RejectedOrderError, match="has 4 events") as refused:
        paging.receive(page(2, numbered(2), total=3))
    assert refused.value.reason == "journey-too-large"


def test_a_page_that_was_not_asked_for_is_a_defect() -> None:
    """The driver may hand over only what was wanted, once."""
    with pytest.raises(ValueError, match="page 1 was not asked for"):
        Paging(max_events=3).receive(page(1, [], total=0))
