"""The grammar of faults in order ids."""

from __future__ import annotations

import pytest

from journeys_sandbox.api.faults import NOTHING, Fault, Plan, Turn, parse_faults, plan_of


@pytest.mark.parametrize(
    "order", ["5154899656917", "x-ray-7", "x-", "x", "x-n3", "name", "n-3", "nx3-a", "x-600-a", ""]
)
def test_an_ordinary_id_has_no_faults(order: str) -> None:
    """An id that resembles a fault or a size is an id like any other."""
    assert plan_of(order) == NOTHING


def test_an_id_holds_faults_and_a_size() -> None:
    """Fault words are read up to the first unknown word, then the size."""
    plan = plan_of("x-503x2-slow250-odd-n12-abc")
    assert [(fault.word, fault.number, fault.times) for fault in plan.faults] == [
        ("status", 503, 2),
        ("slow", 250, None),
        ("odd", 0, None),
    ]
    assert plan.count == 12
    assert plan.content == {"odd"}


def test_a_size_alone_needs_no_mark() -> None:
    """`n12-…` is enough, and `n12` too."""
    assert plan_of("n12-abc") == plan_of("n12") == Plan(count=12)


@pytest.mark.parametrize(
    ("text", "after", "times"),
    [("429", None, None), ("429x3", None, 3), ("429s2", ("s", 2), None), ("429d10x1", ("d", 10), 1)],
)
def test_a_status_fault_may_have_a_retry_after(text: str, after: tuple[str, int] | None, times: int | None) -> None:
    """The pause is given in seconds or as a date, with how often."""
    assert parse_faults(text) == (
        Fault(word="status", acts="answer", number=429, times=times, retry_after=after),  # type: ignore[arg-type] # s or d
    )


def test_status_faults_follow_one_another() -> None:
    """Two 503, one hang-up, then fine."""
    plan = plan_of("x-503x2-hangupx1-a")
    answers = [plan.answer(Turn(request=request)) for request in range(4)]
    assert [fault.word if fault else None for fault in answers] == ["status", "status", "hangup", None]


def test_a_fault_without_a_count_lasts_for_ever() -> None:
    """A fault without a count never ends, and the faults after it never come."""
    fault = plan_of("x-404-hangup-a").answer(Turn(request=1_000_000))
    assert fault is not None
    assert fault.number == 404


def test_other_faults_act_together() -> None:
    """`grow` is for one request unless a count is given; `cap` is for all."""
    plan = plan_of("x-grow3-cap5-shrinkx2-a")
    assert [plan.beside(Turn(request=request)) for request in range(3)] == [
        {"grow": 3, "cap": 5, "shrink": 1},
        {"cap": 5, "shrink": 1},
        {"cap": 5},
    ]


def test_a_fault_may_be_for_one_page_only() -> None:
    """Other pages are fine, and the count is of requests for that page alone."""
    plan = plan_of("x-503p2x1-cap7p3-n250-a")
    asked = [(1, 0), (2, 0), (3, 0), (2, 1)]  # page, and how often it was asked for before
    turns = [Turn(request=request, page=page, of_page=of_page) for request, (page, of_page) in enumerate(asked)]
    assert [plan.answer(turn) is not None for turn in turns] == [False, True, False, False]
    assert [plan.beside(turn) for turn in turns] == [{}, {}, {"cap": 7}, {}]


@pytest.mark.parametrize(
    ("text", "word", "number", "page", "times"),
    [
        ("cap7p2x3", "cap", 7, 2, 3),
        ("cap2", "cap", 2, None, None),
        ("textp2", "text", 0, 2, None),
        ("503p12", "status", 503, 12, None),
        ("429s1p2x1", "status", 429, 2, 1),
    ],
)
def test_page_and_times_stand_at_the_end(text: str, word: str, number: int, page: int, times: int) -> None:
    """Number, page and times follow in this order; each may be left out."""
    [fault] = parse_faults(text)
    assert (fault.word, fault.number, fault.page, fault.times) == (word, number, page, times)


def test_unknown_faults_in_settings_are_refused() -> None:
    """In settings an unknown word is an error that names it, and an empty text means no fault."""
    assert parse_faults("") == ()
    assert [fault.word for fault in parse_faults("slow50-html")] == ["slow", "html"]
    with pytest.raises(ValueError, match="no such fault: slwo50"):
        parse_faults("slow50-slwo50")
