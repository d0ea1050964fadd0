"""The record that an event must become, stated without the code under test.

The tables are written from the API document, not from the schemas; no module of the producer is imported here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from journeys.number import Number

TEXTS = (
    "event_id",
    "event_type",
    "event_page_url",
    "event_page_title",
    "event_page_referrer",
    "event_page_ip",
    "event_page_user_agent",
    "event_campaign",
    "event_source",
    "event_medium",
)
_ORDER = {
    "other_order_id": str,
    "other_order_no": str,
    "currency": str,
    "total_price": Decimal,
    "shop_currency_total_price": Decimal,
}
ON_SITE: dict[str, dict[str, type]] = {
    "products": {
        "other_product_id": str,
        "other_variant_id": str,
        "product_name": str,
        "variant_name": str,
        "final_name": str,
        "currency": str,
        "price": Decimal,
        "quantity": int,
        "shop_currency_price": Decimal,
    },
    "cart_viewed": {
        "currency": str,
        "total_price": Decimal,
        "total_quantity": int,
        "shop_currency_total_price": Decimal,
    },
    "checkout_started": _ORDER,
    "payment_info_submitted": _ORDER,
    "checkout_completed": _ORDER,
    "search_submitted": {"search_query": str},
}
SOURCES: dict[str, dict[str, type]] = {
    "ad": dict.fromkeys(
        (
            "account_id",
            "account_name",
            "campaign_id",
            "campaign_name",
            "set_id",
            "set_name",
            "ad_id",
            "ad_name",
            "keyword",
            "ad_platform",
        ),
        str,
    ),
    "email": {"receiver_email": str, "email_platform": str},
    "social_media": {"social_media_platform": str},
    "organic_search": {"organic_search_platform": str, "organic_search_query": str},
    "creator": {
        "creator_id": str,
        "creator_name": str,
        "creator_url": str,
        "creator_short_url": str,
        "creator_origin_url": str,
        "creator_type": str,
        "creator_cost": Decimal,
        "creator_source": str,
        "creator_campaign": str,
        "creator_platform": str,
    },
}
OBJECTS_OF: dict[str, tuple[str, ...]] = {
    "ads": ("ad",),
    "email": ("email",),
    "social-media": ("social_media",),
    "organic-search": ("organic_search",),
    "referral": (),
    "influencer": ("creator",),
    "direct": (),
    "other": tuple(SOURCES),
}
"""Channel → the objects that its records have beside the on-site ones."""

OURS = (
    "account",
    "edition",
    "revision",
    "order_id",
    "shop_currency",
    "event_at_text",
    "actions",
    "position",
    "journey_size",
    "fetched_at",
    "misfits",
    "extra",
)
"""Fields of a record that an event never fills."""


def expected_record(event: dict[str, Any], channel: str) -> dict[str, Any]:
    """The event's own fields of the decoded record, where every documented field has its documented type.

    `event_at` has the form `2023-03-29 08:26:42` and is in UTC. Unknown fields are allowed at any depth. What comes
    from the journey (account, position and the like) is not in the answer.
    """
    extra: dict[str, str] = {}
    record: dict[str, Any] = {name: event.get(name) for name in TEXTS}
    at = event.get("event_at")
    record["event_at_text"] = at
    record["event_at"] = at and datetime.strptime(at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    for name, fields in _objects(channel).items():
        record[name] = _expected_object(event.get(name), fields, f"/{name}", extra)
    record["actions"] = [name for name in ON_SITE if _has_content(record[name])]
    for name, value in event.items():
        foreign = name in SOURCES and name not in record
        if (name in OURS or name not in record) and not (foreign and value in NOTHING):
            extra[f"/{_escaped(name)}"] = _json(value)
    return record | {"misfits": [], "extra": extra}


def lost(event: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """JSON Pointers of all that the event said and the decoded record does not: empty, or a bug.

    Takes any event. A value is kept where the record has it in its place (as it was, or in the field's type without
    loss), or where `extra` has its JSON under its pointer.
    """
    ours = {name: value for name, value in record.items() if name not in OURS}
    ours["event_at"] = record["event_at_text"]
    pointers = (_lost_field(name, value, ours, "", record["extra"]) for name, value in event.items())
    return [pointer for found in pointers for pointer in found]


NOTHING: tuple[Any, ...] = (None, [], {})
"""What PHP writes where an object or a list is empty, or null."""


def _has_content(value: Any) -> bool:
    """Whether a value holds anything but null, empty texts and 0."""
    if isinstance(value, dict | list):
        return any(map(_has_content, value.values() if isinstance(value, dict) else value))
    return value not in {None, "", 0}


def _objects(channel: str) -> dict[str, dict[str, type]]:
    return ON_SITE | {name: SOURCES[name] for name in OBJECTS_OF[channel]}


def _expected_object(value: Any, fields: dict[str, type], pointer: str, extra: dict[str, str]) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_expected_object(item, fields, f"{pointer}/{place}", extra) for place, item in enumerate(value)]
    for name in value.keys() - fields:
        extra[f"{pointer}/{_escaped(name)}"] = _json(value[name])
    return {name: _money(value.get(name)) if kind is Decimal else value.get(name) for name, kind in fields.items()}


def _money(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _lost_field(name: str, value: Any, kept: dict[str, Any], pointer: str, extra: dict[str, str]) -> Iterator[str]:
    here = f"{pointer}/{_escaped(name)}"
    if here in extra:
        if not _same(_read(extra[here]), value):
            yield here
    elif name in kept:
        yield from _lost_value(value, kept[name], here, extra)
    elif value not in NOTHING or pointer or name not in SOURCES:
        yield here


def _lost_value(value: Any, kept: Any, pointer: str, extra: dict[str, str]) -> Iterator[str]:
    if pointer in extra:
        if not _same(_read(extra[pointer]), value):
            yield pointer
    elif isinstance(value, dict) and isinstance(kept, dict):
        for name, item in value.items():
            yield from _lost_field(name, item, kept, pointer, extra)
    elif isinstance(kept, list) and len(items := _items(value)) == len(kept) > 0:
        for place, item in enumerate(items):
            yield from _lost_value(item, kept[place], f"{pointer}/{place}", extra)
    elif not _keeps(value, kept) and not _is_nothing(value, kept, pointer):
        yield pointer


def _items(value: Any) -> list[Any]:
    """The items of a list, or of an object that stands for one: all its keys are integers."""
    if isinstance(value, dict) and all(re.fullmatch("-?[0-9]+", name) for name in value):
        return [*value.values()]
    return value if isinstance(value, list) else []


def _is_nothing(value: Any, kept: Any, pointer: str) -> bool:
    """Whether both are empty, at a place for an object or a list, or for a number."""
    name, _, place = pointer[1:].partition("/")
    if (ON_SITE | SOURCES).get(name, {}).get(place.rpartition("/")[2]) in {int, Decimal}:
        return kept is None and value == ""
    return value in NOTHING and not _has_content(kept) and name in ON_SITE | SOURCES and (not place or place.isdigit())


def _keeps(value: Any, kept: Any) -> bool:
    """Whether a scalar is kept by a field's value: a null, a text, an integer or a decimal."""
    if isinstance(kept, str) and isinstance(value, Number | int) and not isinstance(value, bool):
        return Decimal(kept) == Decimal(value)
    if value is None or isinstance(kept, type(value)):
        return bool(value == kept)
    if isinstance(kept, str):
        return isinstance(value, bool) and kept == _json(value)
    if isinstance(kept, int | Decimal) and isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return Decimal(value) == kept
        except InvalidOperation:
            return False
    return False


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON as it is written: true is not 1, and 1 is not 1.0."""
    return json.dumps(_tagged(one), sort_keys=True) == json.dumps(_tagged(other), sort_keys=True)


def _tagged(value: Any) -> Any:
    """The value with each Number as an object, which no decoder returns."""
    if isinstance(value, dict):
        return {name: _tagged(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    return {"\0number": value} if isinstance(value, Number) else value


def _read(text: str) -> Any:
    return json.loads(text, parse_float=Number)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(name)}:{_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def _escaped(name: str) -> str:
    escaped = name.replace("~", "~0").replace("/", "~1")
    return "".join(f"~u{ord(char):04x}" if 0xD800 <= ord(char) <= 0xDFFF else char for char in escaped)
