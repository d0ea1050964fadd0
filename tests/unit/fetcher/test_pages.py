"""What each answer of the API comes to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from journeys.errors import OrderError, RejectedOrderError, ThrottledError, TransientError, Verdict
from journeys.fetcher.failures import Meaning
from journeys.fetcher.pages import Answer, Page, read_page, retry_after
from journeys.model import Json

CODES: dict[int, Meaning] = {2: "auth", 3: "pace", 4: "absent", 5: "order", 6: "passing"}


def answer(document: Json = None, *, body: bytes | None = None, status: int = 200) -> Answer:
    """An answer with this document."""
    return Answer(status=status, body=json.dumps(document).encode() if body is None else body)


def data(**fields: Json) -> Json:
    """A good document, changed."""
    good = {"order_id": "A-1", "total": 1, "page": 1, "page_size": 100, "events": [{"event_id": "e"}]}
    return {"code": 1, "message": "fine", "data": good | fields}


def read(given: Answer) -> Page:
    """The page of an answer to page 1 of A-1."""
    return read_page(given, order_id="A-1", number=1, codes=CODES, now=0.0)


def failure(given: Answer) -> OrderError:
    """The error that an answer comes to."""
    with pytest.raises(OrderError) as error:
        read(given)
    return error.value


def test_a_good_answer_is_a_page() -> None:
    """Everything the document names is read, and what it does not name is kept."""
    page = read(answer(data(shop_currency="USD", **{"a/b": [1]})))
    assert (page.number, page.size, page.total, page.shop_currency) == (1, 100, 1, "USD")
    assert page.events == [{"event_id": "e"}]
    assert page.extra == {"/a~1b": [1]}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Verdict.DEAD_LETTER),
        (401, Verdict.WAIT),
        (403, Verdict.WAIT),
        (404, Verdict.LATER),
        (408, Verdict.AGAIN),
        (422, Verdict.DEAD_LETTER),
        (429, Verdict.SLOW_DOWN),
        (302, Verdict.AGAIN),
        (500, Verdict.AGAIN),
        (503, Verdict.AGAIN),
    ],
)
def test_each_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    """A status that is not 200 decides by itself, whatever the body says."""
    assert failure(answer(data(), status=status)).verdict is verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (0, Verdict.AGAIN),
        (2, Verdict.WAIT),
        (3, Verdict.SLOW_DOWN),
        (4, Verdict.LATER),
        (5, Verdict.DEAD_LETTER),
        (6, Verdict.AGAIN),
        ("1", Verdict.AGAIN),
        (True, Verdict.AGAIN),
        (None, Verdict.AGAIN),
    ],
)
def test_each_code_has_its_verdict(code: Json, verdict: Verdict) -> None:
    """A code other than 1 means what it is mapped to, and passing otherwise."""
    assert failure(answer(data() | {"code": code})).verdict is verdict


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (answer(body=b""), "not-json"),
        (answer(body=b"<html>oops</html>"), "not-json"),
        (answer(body=b'{"code": 1, "data": {"order'), "not-json"),
        (answer(body=b"\xff\xfe"), "not-json"),
        (answer(body=b'{"code": NaN}'), "not-json"),
        (answer(body=b"[" * 100_000), "not-json"),
        (answer([1]), "not-an-object"),
        (answer({"code": 1, "message": "fine", "data": None}), "no-data"),
        (answer(data(events=None)), "no-events"),
        (answer(data(events={})), "no-events"),
        (answer(data(total="many")), "wrong-types"),
        (answer(data(total=None)), "wrong-types"),
        (answer(data(total=-1)), "wrong-types"),
        (answer(data(total=True)), "wrong-types"),
        (answer(data(page_size=0)), "wrong-types"),
        (answer(data(page=2)), "wrong-page"),
        (answer(data(order_id="A-2")), "wrong-order"),
    ],
)
def test_broken_answers_are_transient_and_not_quoted(given: Answer, reason: str) -> None:
    """What is broken may be whole at the next try; no error repeats what the body said."""
    error = failure(given)
    assert isinstance(error, TransientError)
    assert error.reason == reason
    assert "oops" not in str(error)


def test_numbers_may_come_as_text_or_floats() -> None:
    """`total` "3" and page 1.0 are clear enough, and so is an order id that comes as a number."""
    page = read_page(answer(data(order_id=7, total="3", page=1.0)), order_id="7", number=1, codes={}, now=0.0)
    assert (page.total, page.number) == (3, 1)


def test_no_events_at_all_may_be_null() -> None:
    """With `total` 0, `events` may be null."""
    assert read(answer(data(total=0, events=None))).events == []


def test_a_lone_surrogate_or_a_huge_number_costs_no_journey() -> None:
    """JSON that only a lenient reader takes is taken."""
    text = json.dumps(data(events=[{"a": "SURROGATE", "b": 1}])).replace("SURROGATE", "\\ud800")
    assert read(answer(body=text.encode())).events == [{"a": "\ud800", "b": 1}]
    text = json.dumps(data(events=[{"a": 77}])).replace("77", "1e400")
    assert read(answer(body=text.encode())).events == [{"a": "1e400"}]


def test_a_shop_currency_that_is_no_text_is_kept_beside() -> None:
    """A field that does not fit costs nothing else."""
    page = read(answer(data(shop_currency=7)))
    assert (page.shop_currency, page.extra) == (None, {"/shop_currency": 7})


def test_retry_after_is_seconds_or_a_date() -> None:
    """Both forms of the header are read; what is neither asks for nothing."""
    date = format_datetime(datetime.fromtimestamp(1030, UTC), usegmt=True)
    assert retry_after("12", now=1000.0) == 12.0
    assert retry_after(date, now=1000.0) == 30.0
    assert retry_after(date, now=2000.0) == 0.0
    assert retry_after("soon", now=0.0) is None
    assert retry_after("-1", now=0.0) is None
    for odd in ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"):
        assert retry_after(odd, now=0.0) is None
    assert retry_after(None, now=0.0) is None
    error = failure(Answer(status=429, body=b"", retry_after="7"))
    assert isinstance(error, ThrottledError)
    assert error.retry_after == 7.0


def test_the_error_names_the_status() -> None:
    """The reason is a stable word for headers and metrics."""
    error = failure(answer(status=422))
    assert isinstance(error, RejectedOrderError)
    assert error.reason == "status-422"
