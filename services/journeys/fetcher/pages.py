"""An HTTP answer becomes a page, or the error that says what to do about it. Pure.

No error's text holds any part of a body: it may be personal data. Only statuses, sizes and our own words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import msgspec

from journeys.fetcher.failures import Meaning, code_failure, failure, status_failure
from journeys.model import Json

_SUCCESS = 1
_KNOWN = frozenset({"order_id", "total", "page", "page_size", "events", "shop_currency"})


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page as the API answered it. `size` is the page size it used, which may be less than was asked for."""

    number: int
    size: int
    total: int
    events: list[Json]
    shop_currency: str | None
    extra: dict[str, Json]
    """Fields of `data` that the API document does not name, by JSON Pointer."""
    bytes: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came over HTTP. `retry_after` is that header's text."""

    status: int
    body: bytes
    retry_after: str | None = None


def read_page(answer: Answer, *, order_id: str, number: int, codes: Mapping[int, Meaning], now: float) -> Page:
    """The page that `answer` holds; `now` is in seconds since the epoch. Raises an OrderError."""
    if answer.status != 200:
        raise status_failure(answer.status, retry_after=retry_after(answer.retry_after, now=now))
    document = _decoded(answer.body)
    if not isinstance(document, dict):
        _broken("the body is no JSON object", "not-an-object")
    code = document.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        _broken("the answer's code is no integer", "wrong-types")
    if code != _SUCCESS:
        raise code_failure(code, codes)
    data = document.get("data")
    if not isinstance(data, dict):
        _broken("the answer has no data object", "no-data")
    return _page(data, order_id=order_id, number=number, size=len(answer.body))


def _page(data: dict[str, Json], *, order_id: str, number: int, size: int) -> Page:
    echoed = data.get("order_id")
    if echoed is not None and str(echoed) != order_id:
        _broken("the answer is for another order", "wrong-order")
    if _integer(data, "page") != number:
        _broken(f"the answer is not for page {number}", "wrong-page")
    total, page_size = _integer(data, "total"), _integer(data, "page_size")
    if total < 0 or page_size < 1:
        _broken("total or page_size is out of range", "wrong-types")
    events = data.get("events")
    if events is None and total == 0:
        events = []
    if not isinstance(events, list):
        _broken("the answer has no list of events", "no-events")
    currency = data.get("shop_currency")
    extra = {_pointer(name): value for name, value in data.items() if name not in _KNOWN}
    if currency is not None and not isinstance(currency, str):
        extra["/shop_currency"], currency = currency, None
    return Page(
        number=number,
        size=page_size,
        total=total,
        events=events,
        shop_currency=currency,
        extra=extra,
        bytes=size,
    )


def _decoded(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # msgspec refuses lone surrogates and numbers beyond a double; neither is worth losing a journey.
        try:
            return json.loads(body, parse_constant=_no_constant, parse_float=_float)
        except (ValueError, RecursionError):
            _broken(f"the body of {len(body)} bytes is not JSON", "not-json")


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        _broken(f"{name} is no integer", "wrong-types")
    return value


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _broken(message: str, reason: str) -> NoReturn:
    raise failure(reason, message)


def retry_after(text: str | None, *, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3: seconds or a date), or None."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
