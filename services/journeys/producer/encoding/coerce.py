"""From an event as received to a datum that fits its schema. Nothing is lost, and one odd field costs no event.

The rules are read from the schema, once. A value that does not fit is coerced if that loses nothing:

    long      an integer of 64 bits, also as a number such as 12.00 or 1.2e1, or as a text such as "-3" or "12.00"
    decimal   a number, also as a text; a number with too many decimals is rounded half-even, and `extra` keeps it
    string    a text; a boolean as its JSON text; a number as its digits, or as sent if it has a fraction or more than
              38 digits
    time      every form that `text.moment` reads
    record    an object, whose unknown fields go to `extra`; an empty array is null
    array     an array, also as an object whose keys are all integers; an empty object is an empty array. In place of
              an item that does not fit stands a record of nulls

An empty text in place of a long or a decimal is null, as it is for no number in PHP.
Any other value becomes null; its raw JSON goes to `extra` and its JSON Pointer to `misfits`. A field that the schema
does not have goes to `extra`, even if it is named like a field of our own. Absent and null are both null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeAlias

from journeys.model import Json
from journeys.number import Number, digits, scaled
from journeys.php import as_list
from journeys.producer.encoding.text import encodable, moment, raw_json, token

Definition: TypeAlias = Mapping[str, Any]
"""An Avro schema of a complex type, as decoded JSON."""

Datum: TypeAlias = dict[str, Any]

OWN_FIELDS: Final = frozenset(
    {
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
    }
)
"""Fields of an event's record that are ours: an event never sets them."""

ON_SITE: Final = (
    "products",
    "cart_viewed",
    "checkout_started",
    "payment_info_submitted",
    "checkout_completed",
    "search_submitted",
)
"""The on-site objects, in the order in which `actions` names them."""

_LONGS: Final = range(-(2**63), 2**63)
_DIGITS: Final = re.compile(r"(-?[0-9]{1,19})(?:\.0+)?", re.ASCII)


@dataclass(slots=True)
class Unfitted:
    """Values without a place in the datum: raw JSON by JSON Pointer, and the pointers of those that did not fit."""

    extra: dict[str, str] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)

    def keep(self, pointer: str, value: Json) -> None:
        """Keep the raw JSON of a value."""
        self.extra[pointer] = raw_json(value)

    def misfit(self, pointer: str, value: Json) -> None:
        """Note a value that does not fit its field, where null takes its place."""
        self.keep(pointer, value)
        self.misfits.append(pointer)


_Fitter: TypeAlias = Callable[[Json, str, Unfitted], Any]
"""Fits a value that is not null, at a JSON Pointer. Adds what has no place in the datum to the Unfitted."""


class Coercion:
    """Makes events fit one record type, by rules compiled from its self-contained schema.

    `elsewhere` are the fields that other channels' records have: null there says nothing, so it is not kept.
    """

    def __init__(self, schema: Definition, *, elsewhere: Iterable[str] = (), zone: tzinfo = UTC) -> None:
        fields = [spec for spec in schema["fields"] if spec["name"] not in OWN_FIELDS]
        self._object = _Object(fields, _Fitters(zone), elsewhere=frozenset(elsewhere) - OWN_FIELDS)

    def __call__(self, event: dict[str, Json]) -> Datum:
        """The event's datum: every field but those that come from the journey (account, position and the like)."""
        unfitted = Unfitted()
        datum = self._object.known(event, "", unfitted)
        datum["event_at_text"] = _time_text(datum["event_at"])
        self._object.fit(datum, "", unfitted)
        datum["actions"] = [name for name in ON_SITE if _is_action(name, datum[name], unfitted)]
        datum["misfits"] = unfitted.misfits
        datum["extra"] = unfitted.extra
        return datum


def object_coercion(schema: Definition) -> Callable[[dict[str, Json]], Datum]:
    """Makes one object fit a record, by the same rules; values without a place in it are dropped."""
    fitters = _Fitters(UTC)
    fields = [(spec["name"], fitters.of(spec["type"])) for spec in schema["fields"]]

    def coerce(value: dict[str, Json]) -> Datum:
        unfitted = Unfitted()
        return {
            name: None if (item := value.get(name)) is None else fitter(item, "", unfitted) for name, fitter in fields
        }

    return coerce


def api_fields(schema: Definition) -> frozenset[str]:
    """The fields of an event's record that the API sends."""
    return frozenset(spec["name"] for spec in schema["fields"]) - OWN_FIELDS


def _is_action(name: str, value: Json, unfitted: Unfitted) -> bool:
    """Whether an on-site object holds anything; a misfit within it counts."""
    return value is not None and (
        _has_content(value) or any(pointer.startswith(f"/{name}/") for pointer in unfitted.misfits)
    )


def _has_content(value: Any) -> bool:
    if type(value) is dict:
        return any(map(_has_content, value.values()))
    return any(map(_has_content, value)) if type(value) is list else bool(value)


class _Object:
    """Makes objects fit a record with these fields. Those `elsewhere` are unknown, and of no interest when empty."""

    def __init__(
        self, fields: Iterable[Definition], fitters: _Fitters, elsewhere: frozenset[str] = frozenset()
    ) -> None:
        self._fitters = tuple((spec["name"], fitters.of(spec["type"])) for spec in fields)
        self._blank: Datum = dict.fromkeys(name for name, _ in self._fitters)
        self._elsewhere = tuple(sorted(elsewhere - self._blank.keys()))

    def __call__(self, value: Json, pointer: str, unfitted: Unfitted) -> Datum | None:
        """The datum of an object, or None for anything else."""
        if type(value) is not dict:
            if value != []:  # PHP writes an empty object so
                unfitted.misfit(pointer, value)
            return None
        datum = self.known(value, pointer, unfitted)
        self.fit(datum, pointer, unfitted)
        return datum

    def known(self, value: dict[str, Json], pointer: str, unfitted: Unfitted) -> Datum:
        """All fields of the record, as the object has them or null; what else it has goes to `extra`."""
        datum = self._blank | value
        for name in self._elsewhere:
            if (item := datum.pop(name, None)) not in (None, [], {}):
                unfitted.keep(f"{pointer}/{name}", item)
        if len(datum) > len(self._blank):
            for name in [name for name in datum if name not in self._blank]:
                unfitted.keep(f"{pointer}/{token(name)}", datum.pop(name))
        return datum

    def fit(self, datum: Datum, pointer: str, unfitted: Unfitted) -> None:
        """Make each value fit its field."""
        for name, fitter in self._fitters:
            if (item := datum[name]) is not None:
                datum[name] = fitter(item, f"{pointer}/{name}", unfitted)

    def blank(self) -> Datum:
        """A datum of nulls."""
        return self._blank.copy()


class _Array:
    """Makes arrays of objects fit."""

    def __init__(self, item: _Object) -> None:
        self._item = item

    def __call__(self, value: Json, pointer: str, unfitted: Unfitted) -> list[Datum] | None:
        """The data of the items, each in its place, or None for anything but an array."""
        value = as_list(value)
        if type(value) is not list:
            unfitted.misfit(pointer, value)
            return None
        return [self._fitted(item, f"{pointer}/{place}", unfitted) for place, item in enumerate(value)]

    def _fitted(self, item: Json, pointer: str, unfitted: Unfitted) -> Datum:
        return self._item(item, pointer, unfitted) or self._item.blank()


class _Fitters:
    """Makes the fitters of Avro types. A time without offset is in `zone`."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._named: dict[str, _Object] = {}

    def of(self, avro_type: Json) -> _Fitter:
        """The fitter of a type, or of the one branch of a nullable type that is not null."""
        if isinstance(avro_type, list):
            return self.of(avro_type[1])
        if isinstance(avro_type, str):
            return {"string": _string, "long": _long}.get(avro_type) or self._named[avro_type]
        match avro_type:
            case {"logicalType": "decimal", "precision": int(precision), "scale": int(scale)}:
                return partial(_decimal, precision=precision, scale=scale, limit=10 ** (precision - scale))
            case {"logicalType": "timestamp-millis"}:
                return partial(_time, zone=self._zone)
            case {"type": "array", "items": items}:
                return _Array(self._record(items))
            case _:
                return self._record(avro_type)

    def _record(self, avro_type: Json) -> _Object:
        """The fitter of a record, or of one that was defined before and is referred to by name."""
        if isinstance(avro_type, str):
            return self._named[avro_type]
        fitter = _Object(avro_type["fields"], self)
        self._named[f"{avro_type['namespace']}.{avro_type['name']}"] = fitter
        return fitter


def _string(value: Json, pointer: str, unfitted: Unfitted) -> str | None:
    if type(value) is str and encodable(value):
        return value
    if type(value) is Number:
        return digits(value)
    if type(value) in {int, bool}:
        return raw_json(value)
    unfitted.misfit(pointer, value)
    return None


def _long(value: Json, pointer: str, unfitted: Unfitted) -> int | None:
    json_type = type(value)
    number: int | None = None
    if value == "":
        return None
    if json_type is int:
        number = value
    elif json_type is Number and (whole := scaled(value, 0, max_digits=19)) is not None and whole[1]:
        number = whole[0]
    elif json_type is str and (match := _DIGITS.fullmatch(value)) is not None:
        number = int(match[1])
    if number is None or number not in _LONGS:
        unfitted.misfit(pointer, value)
        return None
    return number


def _decimal(
    value: Json, pointer: str, unfitted: Unfitted, *, precision: int, scale: int, limit: int
) -> Decimal | None:
    """`limit` is the least integer that has too many digits."""
    json_type = type(value)
    if value == "":
        return None
    if json_type is int and -limit < value < limit:
        return Decimal(value)
    number = scaled(value, scale, precision) if json_type in {str, Number} else None
    if number is None or (json_type is str and not number[1]):
        unfitted.misfit(pointer, value)
        return None
    if not number[1]:
        unfitted.keep(pointer, value)
    return Decimal(f"{number[0]}E-{scale}")


def _time(value: Json, pointer: str, unfitted: Unfitted, *, zone: tzinfo) -> int | None:
    text = digits(value) if type(value) is Number else _time_text(value)
    at = None if text is None else moment(text, zone)
    if at is None:
        unfitted.misfit(pointer, value)
    return at


def _time_text(value: Json) -> str | None:
    """A time as received, if it is a text or a number."""
    if type(value) is int or (isinstance(value, str) and encodable(value)):
        return str(value)
    return None
