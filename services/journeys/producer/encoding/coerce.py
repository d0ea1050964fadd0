"""From an event as received to a datum that fits its schema. Nothing is lost, and one odd field costs no event.

The rules are read from the schema, once. A value that does not fit is coerced if that loses nothing:

    long      an integer of 64 bits, also as a number such as 12.00 or 1.2e1, or as a text such as "-3" or "12.00"
    string    a text; a boolean as its JSON text; a number as its digits, or as sent if it has a fraction or more than
              38 digits
    record    an object; its unknown fields go to `extra`
    array     an array; an item that is null keeps its place, and so does one that does not fit, as null

Any other value becomes null; its raw JSON goes to `extra` and its JSON Pointer to `misfits`. A field that the schema
does not have goes to `extra`, even if it is named like a field of our own. Absent and null are both null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final, TypeAlias

from journeys.model import Json
from journeys.number import Number, scaled
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
_ID_DIGITS: Final = 38
"""A number in place of a text is written out up to so many digits."""
_DIGITS: Final = re.compile(r"(-?[0-9]{1,19})(?:\.0+)?", re.ASCII)


class _Misfit:
    """The type of _MISFIT."""


_MISFIT: Final = _Misfit()

_Scalar: TypeAlias = Callable[[Json], Any]
"""Fits a value; returns _MISFIT where it does not fit."""


@dataclass(slots=True)
class Unfitted:
    """Values without a place in the datum: raw JSON by JSON Pointer, and the pointers of those that did not fit."""

    extra: dict[str, str] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)

    def misfit(self, pointer: str, value: Json) -> None:
        """Note a value that does not fit its field."""
        self.extra[pointer] = raw_json(value)
        self.misfits.append(pointer)


_Nested: TypeAlias = Callable[[Json, str, Unfitted], Any]
"""Fits an object or an array at a JSON Pointer; values without a place are added to the Unfitted."""


class Coercion:
    """Makes events fit one record type, by rules compiled from its self-contained schema.

    `elsewhere` are the fields that other channels' records have: null there says nothing, so it is not kept.
    """

    def __init__(self, schema: Definition, *, elsewhere: Iterable[str] = (), zone: tzinfo = UTC) -> None:
        fields = [spec for spec in schema["fields"] if spec["name"] not in OWN_FIELDS]
        self._object = _Object(fields, {}, elsewhere=frozenset(elsewhere) - OWN_FIELDS)
        self._zone = zone

    def __call__(self, event: dict[str, Json]) -> Datum:
        """The event's datum: every field but those that come from the journey (account, position and the like)."""
        unfitted = Unfitted()
        datum = self._object.known(event, "", unfitted)
        self._object.fit(datum, "", unfitted)
        text = datum["event_at"]
        datum["event_at_text"] = text
        if text is not None:
            datum["event_at"] = moment(text, self._zone)
        datum["actions"] = [name for name in ON_SITE if datum[name] is not None]
        datum["misfits"] = unfitted.misfits
        datum["extra"] = unfitted.extra
        return datum


def object_coercion(schema: Definition) -> Callable[[Json], Datum | None]:
    """Makes one object fit a record, by the same rules; values without a place in it are dropped."""
    fit = _Object(schema["fields"], {})
    return lambda value: fit(value, "", Unfitted())


def api_fields(schema: Definition) -> frozenset[str]:
    """The fields of an event's record that the API sends."""
    return frozenset(spec["name"] for spec in schema["fields"]) - OWN_FIELDS


class _Object:
    """Makes objects fit a record with these fields. Those `elsewhere` are unknown, and of no interest when null."""

    def __init__(
        self, fields: Iterable[Definition], named: dict[str, _Nested], elsewhere: frozenset[str] = frozenset()
    ) -> None:
        types = {spec["name"]: _not_null(spec["type"]) for spec in fields}
        scalars = {name: scalar for name, avro_type in types.items() if (scalar := _scalar(avro_type)) is not None}
        self._scalars = tuple(scalars.items())
        self._nested = tuple(
            (name, _nested(avro_type, named)) for name, avro_type in types.items() if name not in scalars
        )
        self._blank: Datum = dict.fromkeys(types)
        self._elsewhere = tuple(sorted(elsewhere - types.keys()))

    def __call__(self, value: Json, pointer: str, unfitted: Unfitted) -> Datum | None:
        """The datum of a value, or None where it is no object."""
        if type(value) is not dict:
            unfitted.misfit(pointer, value)
            return None
        datum = self.known(value, pointer, unfitted)
        self.fit(datum, pointer, unfitted)
        return datum

    def known(self, value: dict[str, Json], pointer: str, unfitted: Unfitted) -> Datum:
        """All fields of the record, as the object has them or null; what else it has goes to `extra`."""
        datum = self._blank | value
        for name in self._elsewhere:
            if (item := datum.pop(name, None)) is not None:
                unfitted.extra[f"{pointer}/{name}"] = raw_json(item)
        if len(datum) > len(self._blank):
            for name in [name for name in datum if name not in self._blank]:
                unfitted.extra[f"{pointer}/{token(name)}"] = raw_json(datum.pop(name))
        return datum

    def fit(self, datum: Datum, pointer: str, unfitted: Unfitted) -> None:
        """Make each value fit its field."""
        for name, scalar in self._scalars:
            if (item := datum[name]) is not None:
                datum[name] = fitted = scalar(item)
                if fitted is _MISFIT:
                    datum[name] = None
                    unfitted.misfit(f"{pointer}/{name}", item)
        for name, inner in self._nested:
            if (item := datum[name]) is not None:
                datum[name] = inner(item, f"{pointer}/{name}", unfitted)


class _Array:
    """Makes arrays fit whose items are objects or null."""

    def __init__(self, item: _Nested) -> None:
        self._item = item

    def __call__(self, value: Json, pointer: str, unfitted: Unfitted) -> list[Any] | None:
        """The items, each in its place, or None where it is no array."""
        if type(value) is not list:
            unfitted.misfit(pointer, value)
            return None
        return [
            None if item is None else self._item(item, f"{pointer}/{place}", unfitted)
            for place, item in enumerate(value)
        ]


def _nested(avro_type: Json, named: dict[str, _Nested]) -> _Nested:
    """The fitter of a record, an array, or a record that was defined before and is referred to by name."""
    if isinstance(avro_type, str):
        return named[avro_type]
    if avro_type["type"] == "array":
        return _Array(_nested(_not_null(avro_type["items"]), named))
    fitter = _Object(avro_type["fields"], named)
    named[f"{avro_type['namespace']}.{avro_type['name']}"] = fitter
    return fitter


def _scalar(avro_type: Json) -> _Scalar | None:
    """The fitter of a type that is no record and no array; None for these."""
    if isinstance(avro_type, str):
        return {"string": _string, "long": _long}.get(avro_type)
    return _text if avro_type.get("logicalType") == "timestamp-millis" else None


def _not_null(avro_type: Json) -> Json:
    """The one branch of a nullable type that is not null."""
    return next(branch for branch in avro_type if branch != "null") if isinstance(avro_type, list) else avro_type


def _text(value: Json) -> Any:
    return value if type(value) is str and encodable(value) else _MISFIT


def _string(value: Json) -> Any:
    json_type = type(value)
    if json_type is str:
        return value if encodable(value) else _MISFIT
    if json_type is Number:
        whole = scaled(value, 0, _ID_DIGITS)
        return str(whole[0]) if whole is not None and whole[1] else str(value)
    return raw_json(value) if json_type in {int, bool} else _MISFIT


def _long(value: Json) -> Any:
    json_type = type(value)
    if json_type is int:
        number = value
    elif json_type is Number and (whole := scaled(value, 0, max_digits=19)) is not None and whole[1]:
        number = whole[0]
    elif json_type is str and (match := _DIGITS.fullmatch(value)) is not None:
        number = int(match[1])
    else:
        return _MISFIT
    return number if number in _LONGS else _MISFIT
