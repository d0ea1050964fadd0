"""Answers of the API, and the page or the error that each becomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from journeys.errors import OrderError, RejectedOrderError, ThrottledError, TransientError, Verdict
from journeys.fetcher.failures import Meaning
from journeys.fetcher.pages import Answer, Page, http_date, read_page, retry_after
from journeys.model import Json, Unreadable

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
        (204, Verdict.LATER),
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
        ("2", Verdict.WAIT),
        (2.0, Verdict.WAIT),
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
        (answer(body=b'{"code": NaN}'), "wrong-types"),
        (answer(body=b'{"code": 1,}'), "not-json"),
        (Answer(status=200, body=b"packed", is_encoded=True), "not-decodable"),
        (answer(body=b"[" * 100_000), "not-json"),
        (answer([1]), "not-an-object"),
        (answer({"code": 1, "message": "fine", "data": "oops"}), "no-data"),
        (answer({"code": 1, "message": "fine", "data": [1]}), "no-data"),
        (answer(data(events=None)), "no-events"),
        (answer(data(events={"a": 1})), "no-events"),
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
    """A broken answer may be whole at the next try; no error quotes the body."""
    error = failure(given)
    assert isinstance(error, TransientError)
    assert error.reason == reason
    assert "oops" not in str(error)


@pytest.mark.parametrize("echoed", ["120210000000123457", "120210000000123457.0", '"120210000000123457"'])
def test_an_order_id_that_is_echoed_as_a_number_is_its_digits(echoed: str) -> None:
    """The API may send an id as a number; as a binary float, this one would lose its last digits."""
    body = answer(data(order_id="ID")).body.replace(b'"ID"', echoed.encode())
    page = read_page(answer(body=body), order_id="120210000000123457", number=1, codes={}, now=0.0)
    assert page.number == 1


def test_numbers_may_come_as_text_or_floats() -> None:
    """`total` "3" and page 1.0 are clear enough, and so is an order id that comes as a number."""
    page = read_page(answer(data(order_id=7, total="3", page=1.0)), order_id="7", number=1, codes={}, now=0.0)
    assert (page.total, page.number) == (3, 1)


@pytest.mark.parametrize("code", ["1", 1.0])
def test_a_success_may_come_as_text_or_float(code: Json) -> None:
    """`code` "1" and 1.0 are a success."""
    assert read(answer(data() | {"code": code})).total == 1


@pytest.mark.parametrize("nothing", [None, [], {}])
def test_no_data_is_no_journey(nothing: Json) -> None:
    """On page 1, `data` null, `[]` or `{}` says that there is no journey yet."""
    given = answer({"code": 1, "message": "fine", "data": nothing})
    error = failure(given)
    assert (error.verdict, error.reason) == (Verdict.LATER, "no-journey")
    with pytest.raises(TransientError):
        read_page(given, order_id="A-1", number=2, codes=CODES, now=0.0)


@pytest.mark.parametrize("nothing", [None, [], {}])
@pytest.mark.parametrize("total", [0, "0", 0.0, None])
def test_no_events_without_a_total_are_no_journey(nothing: Json, total: Json) -> None:
    """On page 1, no events and no total above 0 are an empty page, whatever `page` and `page_size` say."""
    page = read(answer(data(events=nothing, total=total, page=0, page_size=0, shop_currency="USD")))
    assert (page.events, page.total, page.shop_currency) == ([], 0, "USD")


def test_an_empty_later_page_is_a_page() -> None:
    """A page after the last one may be empty, with whatever total."""
    given = answer(data(events=[], total=0, page=2))
    assert read_page(given, order_id="A-1", number=2, codes=CODES, now=0.0).events == []


def test_an_object_with_integer_keys_is_a_list() -> None:
    """PHP's `json_encode` writes an array with a gap as an object."""
    assert read(answer(data(events={"1": {"event_type": "ads"}, "5": None}))).events == [{"event_type": "ads"}, None]


def test_an_odd_value_costs_no_page() -> None:
    """A body that only the tolerant reading accepts is a page; the odd value is kept as it was received."""
    body = json.dumps(data(events=[{"a": "ODD"}])).replace('"ODD"', "NaN").encode()
    assert read(answer(body=body)).events == [{"a": Unreadable("NaN")}]


def test_an_unknown_content_encoding_of_plain_json_is_ignored() -> None:
    """A body that is JSON is a page, whatever encoding its header names."""
    assert read(Answer(status=200, body=json.dumps(data()).encode(), is_encoded=True)).total == 1


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
    assert http_date(date) == 1030.0
    for odd in ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"):
        assert retry_after(odd, now=0.0) is None
    assert retry_after(None, now=0.0) is None
    error = failure(Answer(status=429, body=b"", retry_after="7"))
    assert isinstance(error, ThrottledError)
    assert error.retry_after_s == 7.0


def test_the_error_names_the_status() -> None:
    """The reason is a stable word for headers and metrics."""
    error = failure(answer(status=422))
    assert isinstance(error, RejectedOrderError)
    assert error.reason == "status-422"
