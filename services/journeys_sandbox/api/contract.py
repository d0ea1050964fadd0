"""The contract of the order-event API: turns a request into a reply. Sans-I/O.

    POST /{version}/api/order/event     {"order_id": str, "page": int >= 1, "page_size": int from 1 to the largest}
    GET  /_stats                        the counts so far, as JSON
    POST /_faults                       set the faults of every order, such as `503`; an empty body is none

Other requests get 401 (the `ApiKey` is not the required one), 404 (another path), 405 (another method), 400 (the body
is not a JSON object) or 422 (a field is missing or out of bounds). The answer then has `code` (the status times 100),
`message`, and `data` null.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from enum import Enum, auto
from hmac import compare_digest
from http import HTTPStatus
from typing import Any, Final

import msgspec

from journeys_sandbox.api.faults import Fault, Plan, Turn, parse_faults, plan_of
from journeys_sandbox.api.generator import event_texts, extra_of, later_texts, revised

_JSON: Final = "application/json"
_KEPT: Final = 1_000_000
"""The most pages and orders whose requests are counted one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The behaviour of the stand-in. Times are in seconds."""

    latency_s: float = 0.0
    fail_share: float = 0.0
    """Share of requests (0 to 1) that get a 503, chosen by a hash of order, page and turn."""
    faults: str = ""
    """Faults of every order, such as `503x1-slow20`. Faults in the content of a journey have no effect here."""
    key: str | None = None
    max_page_size: int = 100
    shop_currency: str | None = "USD"


class Ending(Enum):
    """How the connection ends."""

    KEEP = auto()
    CUT = auto()
    """Send half of the body, then close."""
    HANG_UP = auto()
    """Close without an answer."""
    RESET = auto()
    """Reset the connection without an answer."""
    NEVER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, sent after `delay_s` seconds."""

    body: bytes
    status: int = 200
    content_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    ending: Ending = Ending.KEEP


_PLAIN: Final = {
    "html": Reply(body=b"<!doctype html><title>Back soon</title>", content_type="text/html"),
    "text": Reply(body=b"Service succeed {"),
    "hangup": Reply(body=b"", ending=Ending.HANG_UP),
    "reset": Reply(body=b"", ending=Ending.RESET),
    "silent": Reply(body=b"", ending=Ending.NEVER),
}
"""Answers that depend only on the fault's word."""
_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "nodata": {"data": None},
    "emptylist": {"data": []},
    "emptyobject": {"data": {}},
    "textcode": {"code": "1"},
    "floatcode": {"code": 1.0},
}
"""Fault's word → fields that replace those of a correct answer."""
_DATA_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "zerototal": {"total": 0, "page": 0, "events": {}},
    "noevents": {"events": None},
    "badevents": {"events": "?"},
}
"""Fault's word → fields that replace those of its `data`."""


@dataclass(slots=True)
class Stats:
    """The counts so far."""

    pages: Counter[tuple[str, int]] = field(default_factory=Counter)
    """(order id, page) → valid requests, for the first million pairs."""
    statuses: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    """Requests to the API, including refused ones."""
    in_flight: int = 0
    in_flight_max: int = 0
    connections: int = 0
    """Connections opened."""

    def requests_of(self, order_id: str) -> int:
        """Valid requests for any page of an order."""
        return sum(count for (each, _), count in self.pages.items() if each == order_id)

    def as_json(self) -> dict[str, Any]:
        """All counts, with `pages` as order id → page → requests."""
        pages: dict[str, dict[str, int]] = {}
        for (order_id, page), count in self.pages.items():
            pages.setdefault(order_id, {})[str(page)] = count
        return {
            "requests": self.requests,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "connections": self.connections,
            "pages": pages,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    order_id: str
    page: int
    size: int
    turn: Turn


class Api:
    """Answers requests, and counts them in `stats`."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.stats = Stats()
        self._common = Plan(faults=parse_faults(settings.faults))
        self._turns: Counter[str] = Counter()

    def change(self, faults: str) -> None:
        """Set the faults of every order from now on. Raises ValueError for an unknown word."""
        self._common = Plan(faults=parse_faults(faults))

    def reply(self, method: str, path: str, key: str | None, body: bytes, *, now: float) -> Reply:
        """The reply to a request. `now` is in seconds since the epoch."""
        if path.startswith("/_"):
            return self._own(method, path, body)
        reply = self._reply(method, path, key, body, now)
        self.stats.requests += 1
        self.stats.statuses[reply.status] += 1
        return reply

    def _own(self, method: str, path: str, body: bytes) -> Reply:
        if (method, path) == ("POST", "/_faults"):
            try:
                self.change(body.decode().strip())
            except ValueError as error:
                return refusal(422, str(error))
        elif (method, path) != ("GET", "/_stats"):
            return refusal(404, "no such path")
        return Reply(body=json.dumps(self.stats.as_json()).encode())

    def _reply(self, method: str, path: str, key: str | None, body: bytes, now: float) -> Reply:
        version, _, rest = path.partition("?")[0][1:].partition("/")
        if not version or rest != "api/order/event":
            return refusal(404, "no such path")
        if method != "POST":
            return refusal(405, "POST only", ("Allow", "POST"))
        wanted = self.settings.key
        if wanted is not None and not compare_digest((key or "").encode(), wanted.encode()):
            return refusal(401, "the ApiKey is missing or wrong")
        asked = self._asked(body)
        return asked if isinstance(asked, Reply) else self._answer(asked, now)

    def _asked(self, body: bytes) -> _Asked | Reply:
        document = _decoded(body)
        if not isinstance(document, dict):
            return refusal(400, "the body is not a JSON object")
        order_id, page, size = (document.get(name) for name in ("order_id", "page", "page_size"))
        if not isinstance(order_id, str) or not order_id:
            return refusal(422, "order_id must be a non-empty string")
        if type(page) is not int or page < 1:
            return refusal(422, "page must be an integer from 1")
        if type(size) is not int or not 1 <= size <= self.settings.max_page_size:
            return refusal(422, f"page_size must be an integer from 1 to {self.settings.max_page_size}")
        turn = Turn(request=self._turns[order_id], page=page, of_page=self.stats.pages[order_id, page])
        if len(self._turns) < _KEPT or turn.request:
            self._turns[order_id] = turn.request + 1
        if len(self.stats.pages) < _KEPT or (order_id, page) in self.stats.pages:
            self.stats.pages[order_id, page] += 1
        return _Asked(order_id=order_id, page=page, size=size, turn=turn)

    def _answer(self, asked: _Asked, now: float) -> Reply:
        plan = plan_of(asked.order_id)
        beside = self._common.beside(asked.turn) | plan.beside(asked.turn)
        delay_s = self.settings.latency_s + beside.get("slow", 0) / 1000
        fault = plan.answer(asked.turn) or self._common.answer(asked.turn)
        if fault is not None:
            return replace(self._faulty(fault, asked, now), delay_s=delay_s)
        if self.settings.fail_share and _share(asked) < self.settings.fail_share:
            return replace(refusal(503, "not now"), delay_s=delay_s)
        return Reply(body=self._page(asked, beside), delay_s=delay_s)

    def _page(self, asked: _Asked, beside: Mapping[str, int]) -> bytes:
        texts, size = event_texts(asked.order_id), asked.size
        start = (asked.page - 1) * size
        total, events = len(texts), list(texts[start : start + size])
        if beside:
            texts = _changed(texts, asked, beside)
            size = min(size, max(1, beside.get("cap", size)))
            start = (asked.page - 1) * size
            total, events = len(texts), list(texts[start : start + size])
            if start < total:
                events = _repeated(texts, start, beside) + events
                events[0] = _with_odd_value(events[0], beside)
            total += asked.turn.request % 2 if "restless" in beside else 0
            total = len(events) if "pagetotal" in beside else beside.get("total", total)
            size = beside.get("echo", size)
        return self._enveloped(asked, total, size, events)

    def _enveloped(self, asked: _Asked, total: int, size: int, events: list[bytes]) -> bytes:
        extra = extra_of(asked.order_id)
        return b'{"code":1,"message":"ok","data":{"order_id":%b,"shop_currency":%b,%b%b"events":[%b]}}' % (
            json.dumps(asked.order_id).encode(),
            json.dumps(self.settings.shop_currency).encode(),
            b'"total":%d,"page":%d,"page_size":%d,' % (total, asked.page, size),
            json.dumps(extra)[1:-1].encode() + b"," if extra else b"",
            b",".join(events),
        )

    def _faulty(self, fault: Fault, asked: _Asked, now: float) -> Reply:
        match fault.word:
            case "status":
                return refusal(fault.number, "as asked for", *_retry_after(fault, now))
            case "code":
                return _document({"code": fault.number, "message": "as asked for", "data": None})
            case "truncated":
                return Reply(body=self._page(asked, {}), ending=Ending.CUT)
            case "encoded":
                return Reply(body=self._page(asked, {}), headers=(("Content-Encoding", "none"),))
            case "latin1":
                return Reply(body=_latin1(self._page(asked, {})), content_type=f"{_JSON}; charset=ISO-8859-1")
        plain = _PLAIN.get(fault.word)
        return plain or _document(_disfigured(fault.word, json.loads(self._page(asked, {}))))


def refusal(status: int, message: str, *headers: tuple[str, str]) -> Reply:
    """An answer with this status and the API's envelope for errors; 204 has no body (RFC 9110, section 15.3.5)."""
    if status == HTTPStatus.NO_CONTENT:
        return Reply(status=status, body=b"", headers=headers)
    body = json.dumps({"code": status * 100, "message": message, "data": None}).encode()
    return Reply(status=status, body=body, headers=headers)


def _document(document: dict[str, Any]) -> Reply:
    return Reply(body=json.dumps(document, separators=(",", ":")).encode())


def _disfigured(word: str, document: dict[str, Any]) -> dict[str, Any]:
    """A correct answer with one fault in it."""
    data = document["data"]
    match word:
        case "phplist":
            data["events"] = _php_list(data["events"])
        case "wrongtypes":
            data |= {"total": "many", "page": [data["page"]], "events": {"first": data["events"]}}
        case "wrongorder":
            data["order_id"] += "-other"
        case "wrongpage":
            data["page"] += 1
        case _:
            data |= _DATA_FIELDS.get(word, {})
            document |= _FIELDS.get(word, {})
    return document


def _php_list(events: list[Any]) -> dict[str, Any]:
    """The list as PHP writes it with a gap: an object with integer keys. So are the products of each event."""
    for event in events:
        if isinstance(event, dict) and isinstance(products := event.get("products"), list):
            event["products"] = {str(2 * place): product for place, product in enumerate(products)}
    return {str(2 * place): event for place, event in enumerate(events)}


def _with_odd_value(text: bytes, beside: Mapping[str, int]) -> bytes:
    """The event with an `event_campaign` that strict decoders refuse, if a fault asks for one."""
    if "control" in beside:
        value = b'"a\tb"'
    elif "nan" in beside:
        value = b"NaN"
    elif "bytes" in beside:
        value = b'"caf\xe9"'
    elif "digits" in beside:
        value = b"7" * beside["digits"]
    elif "deep" in beside:
        value = b'{"a":' * beside["deep"] + b"1" + b"}" * beside["deep"]
    else:
        return text
    event = {name: value for name, value in json.loads(text).items() if name != "event_campaign"}
    return json.dumps(event).encode()[:-1] + b',"event_campaign":%b}' % value


def _latin1(body: bytes) -> bytes:
    """The body in ISO-8859-1; characters beyond it are escaped."""
    characters = (char if char <= "\xff" else json.dumps(char)[1:-1] for char in body.decode())
    return "".join(characters).encode("latin-1")


def _changed(texts: tuple[bytes, ...], asked: _Asked, beside: Mapping[str, int]) -> tuple[bytes, ...]:
    """The journey that this request sees, if the journey changes between requests."""
    if "grow" in beside:
        texts = texts[: max(0, len(texts) - beside["grow"])]
    return texts + later_texts(asked.order_id, beside["shrink"]) if "shrink" in beside else texts


def _repeated(texts: tuple[bytes, ...], start: int, beside: Mapping[str, int]) -> list[bytes]:
    """The last events of the previous page, unchanged (`repeat`) or with other content (`revise`)."""
    again = list(texts[max(0, start - beside.get("repeat", 0)) : start])
    return again + [revised(text) for text in texts[max(0, start - beside.get("revise", 0)) : start]]


def _retry_after(fault: Fault, now: float) -> tuple[tuple[str, str], ...]:
    match fault.retry_after:
        case None:
            return ()
        case "s", seconds:
            return (("Retry-After", str(seconds)),)
        case _, seconds:
            return (("Retry-After", formatdate(now + seconds, usegmt=True)),)


def _share(asked: _Asked) -> float:
    """A number in [0, 1), always the same for this request."""
    text = f"{asked.order_id}/{asked.page}/{asked.turn.request}"
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) / 2**32


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return json.loads(body)  # accepts lone surrogates, which an order id may have
        except (ValueError, RecursionError):
            return None
