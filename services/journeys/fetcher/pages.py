"""Turns an HTTP answer into a page, or into the error that decides what happens next. No I/O.

No error's text holds any part of a body: it may be personal data. It holds only statuses, sizes and our own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn

import msgspec

from journeys.fetcher.decoding import decode
from journeys.fetcher.failures import Meaning, code_failure, failure, status_failure
from journeys.model import Json
from journeys.number import Number, digits
from journeys.php import as_list

_SUCCESS: Final = 1
_KNOWN: Final = frozenset({"order_id", "total", "page", "page_size", "events", "shop_currency"})
_INTEGER: Final = re.compile(r"(-?[0-9]{1,18})(?:\.0+)?", re.ASCII)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page as the API answered it."""

    number: int
    """Counts from 1."""
    size: int
    """The page size that the API says it used; it may be smaller than the one that was asked for."""
    total: int
    """How many events the journey has, as the API says on this page."""
    events: list[Json]
    shop_currency: str | None
    extra: dict[str, Json]
    """Fields of `data` that the API document does not describe, by JSON Pointer."""
    bytes: int
    """Size of the body."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer."""

    status: int
    body: bytes
    retry_after: str | None = None
    """The text of this header."""
    charset: str | None = None
    """The one that `Content-Type` names."""
    is_encoded: bool = False
    """Whether `Content-Encoding` names an encoding that we do not know; the body is as it was received."""
    date: str | None = None
    """The text of this header."""


def read_page(answer: Answer, *, order_id: str, number: int, codes: Mapping[int, Meaning], now: float) -> Page:
    """Return the page that `answer` holds. `now` is in seconds since the epoch. Raises an OrderError."""
    if answer.status != 200:
        raise status_failure(answer.status, retry_after_s=retry_after(answer.retry_after, now=now))
    document = _document(answer)
    code = _integer(document, "code")
    if code != _SUCCESS:
        raise code_failure(code, codes)
    data = document.get("data")
    if number == 1 and data in (None, [], {}):  # PHP writes an empty object as []
        _fail("no-journey", "the answer has no data")
    if not isinstance(data, dict):
        _fail("no-data", "the answer has no data object")
    return _page(data, order_id=order_id, number=number, size_bytes=len(answer.body))


def _document(answer: Answer) -> dict[str, Json]:
    try:
        document = decode(answer.body, charset=answer.charset)
    except ValueError:
        if answer.is_encoded:
            _fail("not-decodable", "the answer has a content encoding that was not asked for")
        _fail("not-json", f"the body of {len(answer.body)} bytes is not JSON")
    if not isinstance(document, dict):
        _fail("not-an-object", "the body is not a JSON object")
    return document


def _page(data: dict[str, Json], *, order_id: str, number: int, size_bytes: int) -> Page:
    echoed = data.get("order_id")
    if echoed is not None and order_id != (digits(echoed) if type(echoed) is Number else str(echoed)):
        _fail("wrong-order", "the answer is for another order")
    events = as_list(data.get("events"))
    if number == 1 and not events and _has_no_total(data):
        total, page_size, events = 0, 1, []
    else:
        if _integer(data, "page") != number:
            _fail("wrong-page", f"the answer is not for page {number}")
        total, page_size = _integer(data, "total"), _integer(data, "page_size")
        if total < 0 or page_size < 1:
            _fail("wrong-types", "total or page_size is out of range")
    if events is None and total == 0:
        events = []
    if not isinstance(events, list):
        _fail("no-events", "the answer has no list of events")
    currency = data.get("shop_currency")
    extra = {_pointer(name): value for name, value in data.items() if name not in _KNOWN}
    if currency is not None and type(currency) is not str:
        extra["/shop_currency"], currency = currency, None
    return Page(
        number=number,
        size=page_size,
        total=total,
        events=events,
        shop_currency=currency,
        extra=extra,
        bytes=size_bytes,
    )


def _has_no_total(data: Mapping[str, Json]) -> bool:
    """Whether an answer without events names no number of events, or 0."""
    value = data.get("total")
    return value is None or _integer(data, "total") == 0


def _integer(data: Mapping[str, Json], name: str) -> int:
    """Return an integer, also from a text or a number such as `"3"` or `3.0`. Raises TransientError for others."""
    value = data.get(name)
    if type(value) is int:
        return value
    match = _INTEGER.fullmatch(str(value)) if isinstance(value, str) else None
    if match is None:
        _fail("wrong-types", f"{name} is not an integer")
    return int(match[1])


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _fail(reason: str, message: str) -> NoReturn:
    raise failure(reason, message)


def retry_after(text: str | None, *, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, or None if it is neither seconds nor a date.

    See RFC 9110, section 10.2.3. `now` is in seconds since the epoch.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    date = http_date(text)
    return None if date is None else max(0.0, date - now)


def http_date(text: str) -> float | None:
    """Return the seconds since the epoch that the date of a header names, or None if it is no date."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
