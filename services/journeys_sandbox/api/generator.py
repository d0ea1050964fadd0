"""Generates customer journeys from an order id alone: an id has the same journey in every process.

The module makes a few hundred shapes of events once. A shape is JSON text with three gaps: event id, time and order id.
A journey is a list of shapes with filled gaps, all drawn from SHAKE-128 of the order id. So the server writes ten
events in about 20 µs, and a test can get the expected journey here.

Most journeys have 2 to 30 events. About 5 % have none, 8 % have one, and 5 % have more than a hundred. The events have:

- every channel in several spellings, and unknown, null and empty types
- fields that the API document does not name, at the top level and nested
- null and empty objects, empty items among products, missing fields, and missing ids

`n12-…` in an id sets the number of events. `nullevent`, `textevent`, `odd`, `values` and `zeros` add such an event,
`sameid` gives all events one id (see `journeys_sandbox.api.faults`).
"""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import shake_128
from typing import TypeAlias

from journeys.model import Json
from journeys.number import Number
from journeys_sandbox.api.faults import plan_of
from journeys_sandbox.api.shapes import VALUES, ZEROS, Event, conversions, odd_events, ordinary

_Parts: TypeAlias = tuple[bytes, ...]
"""The JSON text of a shape without its braces, split at each place of the order id."""

_DRAWN = 20
"""Random bytes for each event: 16 for its id, one for whether it has one, two for its shape, one for its time."""
_START = datetime(2026, 1, 1)  # noqa: DTZ001 - the API sends no time zone
_MARK = "\x00order\x00"
_MARK_JSON = json.dumps(_MARK).encode()
_NO_ID, _NULL_ID = 3, 5
"""Of 256 events, how many have no id, and how many have no id or a null one."""


def journey_of(order_id: str) -> list[Json]:
    """The journey of an order in the API: a new list of events as the worker decodes them, in the API's order."""
    events: list[Json] = json.loads(b"[" + b",".join(event_texts(order_id)) + b"]", parse_float=Number)
    return events


def extra_of(order_id: str) -> dict[str, Json]:
    """Fields next to `events` that the API document does not name. One order in four has some."""
    if _seed(order_id)[0] % 4:
        return {}
    return {"attribution_model": "linear", "window": {"days": 30, "since": None}}


@lru_cache(maxsize=1024)
def event_texts(order_id: str) -> tuple[bytes, ...]:
    """The JSON text (UTF-8) of each event of an order's journey."""
    plan = plan_of(order_id)
    count = _count(order_id) if plan.count is None else plan.count
    texts = _draw(order_id, count)
    for place, word in enumerate(sorted(plan.content - {"sameid"})):
        texts[place % max(1, len(texts)) : place % max(1, len(texts)) + 1] = [_content(word, order_id)]
    return tuple(map(_with_visit_id, texts)) if "sameid" in plan.content else tuple(texts)


@lru_cache(maxsize=1024)
def later_texts(order_id: str, count: int) -> tuple[bytes, ...]:
    """The JSON text of `count` more events that are not in the order's journey."""
    return tuple(_draw(f"{order_id} later", count))


def revised(text: bytes) -> bytes:
    """The event with the same id and other content."""
    event = json.loads(text)
    if isinstance(event, dict):
        event["event_page_title"] = "Revised"
    return json.dumps(event).encode()


def _with_visit_id(text: bytes) -> bytes:
    """The event with an id that all events of its journey have."""
    event = json.loads(text)
    return _json(event | {"event_id": "visit"}) if isinstance(event, dict) else text


def _draw(order_id: str, count: int) -> list[bytes]:
    """The events of an order. They usually end with the order's own checkout."""
    shapes, endings = _pool()
    chance = shake_128(_bytes(order_id)).digest(16 + _DRAWN * count)
    order = json.dumps(order_id).encode()
    converts = chance[15] >= 32
    moment = int.from_bytes(chance[9:12], "big")  # seconds since _START, up to 194 days
    compact = chance[12] < 32
    texts: list[bytes] = []
    for number in range(count):
        drawn = chance[16 + number * _DRAWN : 16 + (number + 1) * _DRAWN]
        pool = endings if converts and number == count - 1 else shapes
        moment += drawn[19] * drawn[19] + 1
        at = str(_START + timedelta(seconds=moment))
        head = _identity(drawn) + b'"event_at":"' + (at.replace("-", "") if compact else at).encode() + b'",'
        texts.append(b"{" + head + order.join(pool[(drawn[17] << 8 | drawn[18]) % len(pool)]) + b"}")
    return texts


def _identity(drawn: bytes) -> bytes:
    if drawn[16] >= _NULL_ID:
        return b'"event_id":"' + drawn[:16].hex().encode() + b'",'
    return b"" if drawn[16] < _NO_ID else b'"event_id":null,'


def _count(order_id: str) -> int:
    seed = _seed(order_id)
    kind, size = seed[1], int.from_bytes(seed[2:4], "big")
    if kind < 13:
        return 0
    if kind < 33:
        return 1
    return 101 + size % 160 if kind < 46 else 2 + size % 29


def _content(word: str, order_id: str) -> bytes:
    if word == "nullevent":
        return b"null"
    if word == "textevent":
        return b'"an event that is a string"'
    if word in {"values", "zeros"}:
        return VALUES if word == "values" else ZEROS
    texts = [_json(event) for event in odd_events()]
    return texts[_seed(order_id)[4] % len(texts)].replace(_MARK_JSON, json.dumps(order_id).encode())


def _seed(order_id: str) -> bytes:
    return shake_128(b"\x00" + _bytes(order_id)).digest(8)


def _bytes(order_id: str) -> bytes:
    return order_id.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1)
def _pool() -> tuple[list[_Parts], list[_Parts]]:
    """All shapes, and those that end a journey with a checkout. Made once, always the same."""
    chance = random.Random("shapes of events")  # noqa: S311 - it must repeat
    return (
        [_parts(shape) for shape in ordinary(chance, _MARK)],
        [_parts(shape) for shape in conversions(chance, _MARK)],
    )


def _parts(shape: Event) -> _Parts:
    text = json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode()
    return tuple(text[1:-1].split(_MARK_JSON))


def _json(event: Event) -> bytes:
    return json.dumps(event).encode()
