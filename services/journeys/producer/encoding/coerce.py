"""From an event as received to a datum that fits its schema: nothing is lost, and no event for one field.

What each field takes is read from the schema, once. A value that does not fit is coerced where that loses nothing:

    long      an integer of 64 bits; a number without fraction (up to 2**53, beyond which it may have been rounded);
              a text of digits such as "12", "-3" or "12.00"
    string    a text; a number or boolean as its JSON text
    record    an object; its unknown fields go to `extra`
    array     an array; an item that is null keeps its place, and so does one that does not fit, as null

Whatever else is there becomes null, its raw JSON goes to `extra` and its JSON Pointer to `misfits`. A field that
the schema does not know goes to `extra`, also one that is named like a field of our own. Absent and null are both
null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final, Protocol, TypeAlias

from journeys.model import Json
from journeys.producer.encoding.text import encodable, moment, raw_json, token

Definition: TypeAlias = Mapping[str, Any]
"""An Avro schema of a complex type, as decoded JSON."""

Datum: TypeAlias = dict[str, Any]

OWN_FIELDS: Final = frozenset(
    {
        "account",
        "edition",
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
"""Fields of an event's record that are ours: an event never writes them."""

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
_EXACT: Final = 2.0**53
_DIGITS: Final = re.compile(r"(-?[0-9]{1,19})(?:\.0+)?", re.ASCII)


class _Misfit:
    """The type of the answer of a fitter whose value does not fit."""


_MISFIT: Final = _Misfit()

_Scalar: TypeAlias = Callable[[Json], Any]
"""Fits a value; answers _MISFIT where it does not."""


@dataclass(slots=True)
class Leftovers:
    """What found no place in a datum: raw JSON by JSON Pointer, and the pointers of what did not fit."""

    extra: dict[str, str] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)

    def misfit(self, pointer: str, value: Json) -> None:
        """Note a value that does not fit its field."""
        self.extra[pointer] = raw_json(value)
        self.misfits.append(pointer)


class _Nested(Protocol):
    """Fits an object or an array that stands at a pointer."""

    def __call__(self, value: Json, pointer: str, left: Leftovers) -> Any:
        """What fits of the value; what does not goes to the leftovers."""

    def unknown(self, value: Json, pointer: str, extra: dict[str, str]) -> None:
        """Add the fields of the value that are unknown."""


class Plan:
    """How events of one record are made to fit it, compiled from its self-contained schema.

    `elsewhere` are the fields that other channels' records know: null there says nothing, so it is not kept.
    """

    def __init__(self, schema: Definition, *, elsewhere: Iterable[str] = (), zone: tzinfo = UTC) -> None:
        fields = [spec for spec in schema["fields"] if spec["name"] not in OWN_FIELDS]
        self._object = _Object(fields, {}, elsewhere=frozenset(elsewhere) - OWN_FIELDS)
        self._zone = zone

    def __call__(self, event: dict[str, Json]) -> Datum:
        """The event's datum: every field but those that come from the journey (account, position and the like)."""
        left = Leftovers()
        datum = self._object.known(event, "", left)
        self._object.fit(datum, "", left)
        text = datum["event_at"]
        datum["event_at_text"] = text
        if text is not None:
            datum["event_at"] = moment(text, self._zone)
        datum["actions"] = [name for name in ON_SITE if datum[name] is not None]
        datum["misfits"] = left.misfits
        datum["extra"] = left.extra
        return datum

    def unknown(self, event: dict[str, Json]) -> dict[str, str]:
        """What `extra` is for an event whose known values all fit."""
        extra: dict[str, str] = {}
        self._object.unknown(event, "", extra)
        return extra


def api_fields(schema: Definition) -> frozenset[str]:
    """The fields of an event's record that the API sends."""
    return frozenset(spec["name"] for spec in schema["fields"]) - OWN_FIELDS


class _Object:
    """Makes objects fit a record with these fields. Those `elsewhere` are unknown, and of no interest when null."""

    def __init__(
        self, fields: Iterable[Definition], named: dict[str, _Nested], elsewhere: frozenset[str] = frozenset()
    ) -> None:
        types = {spec["name"]: _not_null(spec["type"]) for spec in fields}
        scalars = {name: scalar for name, kind in types.items() if (scalar := _scalar(kind)) is not None}
        self._scalars = tuple(scalars.items())
        self._nested = tuple((name, _nested(kind, named)) for name, kind in types.items() if name not in scalars)
        self._blank: Datum = dict.fromkeys(types)
        self._elsewhere = tuple(sorted(elsewhere - types.keys()))
        self._names = elsewhere | types.keys()

    def __call__(self, value: Json, pointer: str, left: Leftovers) -> Datum | None:
        """The datum of a value, or None where it is no object."""
        if type(value) is not dict:
            left.misfit(pointer, value)
            return None
        datum = self.known(value, pointer, left)
        self.fit(datum, pointer, left)
        return datum

    def known(self, value: dict[str, Json], pointer: str, left: Leftovers) -> Datum:
        """All fields of the record, as the object has them or null; what else it has goes to `extra`."""
        datum = self._blank | value
        for name in self._elsewhere:
            if (item := datum.pop(name, None)) is not None:
                left.extra[f"{pointer}/{name}"] = raw_json(item)
        if len(datum) > len(self._blank):
            for name in [name for name in datum if name not in self._blank]:
                left.extra[f"{pointer}/{token(name)}"] = raw_json(datum.pop(name))
        return datum

    def unknown(self, value: Json, pointer: str, extra: dict[str, str]) -> None:
        """Add what `known` and `fit` would, were there nothing that does not fit."""
        for name in self._elsewhere:
            if (item := value.get(name)) is not None:
                extra[f"{pointer}/{name}"] = raw_json(item)
        if not self._names.issuperset(value):
            for name in [name for name in value if name not in self._names]:
                extra[f"{pointer}/{token(name)}"] = raw_json(value[name])
        for name, inner in self._nested:
            if (item := value.get(name)) is not None:
                inner.unknown(item, f"{pointer}/{name}", extra)

    def fit(self, datum: Datum, pointer: str, left: Leftovers) -> None:
        """Make each value fit its field."""
        for name, scalar in self._scalars:
            if (item := datum[name]) is not None:
                datum[name] = fitted = scalar(item)
                if fitted is _MISFIT:
                    datum[name] = None
                    left.misfit(f"{pointer}/{name}", item)
        for name, inner in self._nested:
            if (item := datum[name]) is not None:
                datum[name] = inner(item, f"{pointer}/{name}", left)


class _Array:
    """Makes arrays fit whose items are objects or null."""

    def __init__(self, item: _Nested) -> None:
        self._item = item

    def __call__(self, value: Json, pointer: str, left: Leftovers) -> list[Any] | None:
        """The items, each in its place, or None where it is no array."""
        if type(value) is not list:
            left.misfit(pointer, value)
            return None
        return [
            None if item is None else self._item(item, f"{pointer}/{place}", left) for place, item in enumerate(value)
        ]

    def unknown(self, value: Json, pointer: str, extra: dict[str, str]) -> None:
        """Add what is unknown in the items."""
        for place, item in enumerate(value):
            if item is not None:
                self._item.unknown(item, f"{pointer}/{place}", extra)


def _nested(kind: Json, named: dict[str, _Nested]) -> _Nested:
    """The fitter of a record, an array, or a record that was defined before and is referred to by name."""
    if isinstance(kind, str):
        return named[kind]
    if kind["type"] == "array":
        return _Array(_nested(_not_null(kind["items"]), named))
    fitter = _Object(kind["fields"], named)
    named[f"{kind['namespace']}.{kind['name']}"] = fitter
    return fitter


def _scalar(kind: Json) -> _Scalar | None:
    """The fitter of a type that is no record and no array; None for these."""
    if isinstance(kind, str):
        return {"string": _string, "long": _long}.get(kind)
    return _text if kind.get("logicalType") == "timestamp-millis" else None


def _not_null(kind: Json) -> Json:
    """The one branch of a nullable type that is not null."""
    return next(branch for branch in kind if branch != "null") if isinstance(kind, list) else kind


def _text(value: Json) -> Any:
    return value if type(value) is str and encodable(value) else _MISFIT


def _string(value: Json) -> Any:
    kind = type(value)
    if kind is str:
        return value if encodable(value) else _MISFIT
    return raw_json(value) if kind in {int, float, bool} else _MISFIT


def _long(value: Json) -> Any:
    kind = type(value)
    if kind is int:
        number = value
    elif kind is float and value.is_integer() and abs(value) <= _EXACT:
        number = int(value)
    elif kind is str and (match := _DIGITS.fullmatch(value)) is not None:
        number = int(match[1])
    else:
        return _MISFIT
    return number if number in _LONGS else _MISFIT
