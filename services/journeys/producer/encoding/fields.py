"""The steps by which the encoder in C writes an event that fits its schema: from decoded JSON, without a datum.

Most events already have the types of their record, so coercion would change nothing. The encoder takes each field from
the event itself, and adds our own fields, in the steps listed here. An event that needs coercion goes through
`coerce.Coercion`. For an event that fits, both ways give the same bytes (a property test).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from journeys.model import Json, Record
from journeys.producer.encoding.coerce import ON_SITE, OWN_FIELDS

GIVEN: Final = ("account", "edition", "revision", "order_id", "shop_currency", "journey_size", "fetched_at")
"""Fields that are the same for all events of a journey."""

What: TypeAlias = Literal["foreign", "taken", "copied", "time", "position", "given", "actions", "misfits", "extra"]
_OURS: Final[Mapping[str, What]] = {
    "position": "position",
    "actions": "actions",
    "misfits": "misfits",
    "extra": "extra",
}


class Step(NamedTuple):
    """The way to write one field of an event, or of its record.

    - foreign: only other channels' records have the field; nothing is written, and a value that is not null is unknown
    - taken: write the event's value; if it is not null, add the bits of `number` to the set of `actions`
    - copied: like taken, of a field that another step takes
    - time: write the time of the event's value
    - position: write the event's place in its journey
    - given: write a value that all events of the journey share; `number` is its index in GIVEN
    - actions: write the names of the on-site objects taken before
    - misfits: write an empty list
    - extra: write the unknown fields, at any depth
    """

    what: What
    name: str
    avro_type: Json = None
    """The Avro type of the written value."""
    number: int = 0


def steps(schema: Mapping[str, Any], elsewhere: Iterable[str]) -> Iterator[Step]:
    """The steps of a channel's events: foreign fields first, then the fields of the record in their order.

    `elsewhere` are the fields that other channels' records have.
    """
    fields = {field["name"]: field["type"] for field in schema["fields"]}
    for name in sorted(set(elsewhere) - OWN_FIELDS - fields.keys()):
        yield Step("foreign", name)
    for name, avro_type in fields.items():
        if name == "event_at":
            yield Step("time", name, avro_type)
        elif name == "event_at_text":
            yield Step("copied", "event_at", avro_type)
        elif name in GIVEN:
            yield Step("given", name, avro_type, GIVEN.index(name))
        elif name in _OURS:
            yield Step(_OURS[name], name, avro_type)
        else:
            yield Step("taken", name, avro_type, 1 << ON_SITE.index(name) if name in ON_SITE else 0)


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The records of a journey's items, and what its summary says of the events that have one."""

    records: list[Record | None]
    """One for each item; None for an item that is no object, or needs coercion."""
    times: list[int]
    """The times that these events name, in milliseconds since the epoch, UTC."""
    conversions: list[tuple[int | None, int]]
    """Those of these events with a completed checkout of the journey's own order: time (as in `times`) and position."""
    misfits: list[str] = []
    """JSON Pointers of the values that did not fit."""
