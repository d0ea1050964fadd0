"""Check a datum against its schema, slowly: the path and the reason of a value that does not fit.

The fast encoder only finds that something is wrong, or in a form that it does not take. This walks the datum then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from journeys.model import Json
from journeys.number import twos_complement, unscaled
from journeys.producer.encoding.text import encodable

_LONGS = range(-(2**63), 2**63)


INEXACT: Final = (KeyError, OverflowError, TypeError, UnicodeEncodeError)
"""The fast encoder raises one of these for a datum that is not exactly of its schema."""


class SchemaMismatch(ValueError):  # noqa: N818 - a mismatch is the error
    """A value does not fit its schema. `path` leads to it; its text holds types, never the value."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path.removeprefix('.') or 'the datum'}: {why}")
        self.path = path.removeprefix(".")


class Normalizer:
    """Gives a datum every field of its schema and no other, in the types that encoders take.

    An absent field gets its default, else null. `schema` is self-contained.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._records = {f"{avro_type['namespace']}.{avro_type['name']}": avro_type for avro_type in _records(schema)}

    def __call__(self, datum: Any) -> dict[str, Any]:
        """The normalized datum. Raises SchemaMismatch for the first value that does not fit."""
        return self._record(self._schema, datum, "")

    def _record(self, avro_type: Mapping[str, Any], datum: Any, path: str) -> dict[str, Any]:
        if not isinstance(datum, Mapping):
            raise _wrong(path, "an object", datum)
        return {
            field["name"]: self._value(field["type"], _of(field, datum, path), f"{path}.{field['name']}")
            for field in avro_type["fields"]
        }

    def _value(self, avro_type: Json, value: Any, path: str) -> Any:
        if isinstance(avro_type, list):
            return None if value is None else self._value(avro_type[1], value, path)
        if isinstance(avro_type, str):
            avro_type = self._records.get(avro_type) or {"type": avro_type}
        if avro_type.get("logicalType") == "decimal":
            return _decimal(avro_type, value, path)
        if (scalar := _SCALARS.get(avro_type["type"])) is not None:
            return scalar(value, path)
        walk = {"array": self._array, "map": self._map}.get(avro_type["type"], self._record)
        return walk(avro_type, value, path)

    def _array(self, avro_type: Mapping[str, Any], value: Any, path: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _wrong(path, "an array", value)
        return [self._value(avro_type["items"], item, f"{path}[{place}]") for place, item in enumerate(value)]

    def _map(self, avro_type: Mapping[str, Any], value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _wrong(path, "a map", value)
        # A key may be personal data, so the path holds the entry's index.
        return {
            _string(key, f"{path}[{place}]"): self._value(avro_type["values"], item, f"{path}[{place}]")
            for place, (key, item) in enumerate(value.items())
        }


def _of(field: Mapping[str, Any], datum: Mapping[str, Any], path: str) -> Any:
    name = field["name"]
    if name in datum:
        return datum[name]
    if "default" not in field and not isinstance(field["type"], list):
        raise SchemaMismatch(f"{path}.{name}", "the field is missing, and may not be null")
    return field.get("default")


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "a text", value)
    if not encodable(value):
        raise SchemaMismatch(path, "a text with a lone surrogate has no form in UTF-8")
    return str.__str__(value)


def _long(value: Any, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(path, "an integer", value)
    if value not in _LONGS:
        raise SchemaMismatch(path, "the integer has more than 64 bits")
    return int(value)


def _decimal(avro_type: Mapping[str, Any], value: Any, path: str) -> bytes:
    if not isinstance(value, Decimal):
        raise _wrong(path, "a Decimal", value)
    number = unscaled(value, avro_type["scale"], avro_type["precision"])
    if number is None:
        raise SchemaMismatch(path, "the Decimal has more digits than the schema allows")
    return twos_complement(number)


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(path, "a boolean", value)
    return value


_SCALARS: Final[Mapping[str, Callable[[Any, str], Any]]] = {"string": _string, "long": _long, "boolean": _boolean}


def _wrong(path: str, wanted: str, value: Any) -> SchemaMismatch:
    return SchemaMismatch(path, f"{wanted} is wanted, not {'null' if value is None else type(value).__name__}")


def _records(avro_type: Json) -> Iterator[Mapping[str, Any]]:
    """Each record that a type defines."""
    if isinstance(avro_type, list):
        for branch in avro_type:
            yield from _records(branch)
    elif isinstance(avro_type, dict) and avro_type["type"] == "record":
        yield avro_type
        for field in avro_type["fields"]:
            yield from _records(field["type"])
    elif isinstance(avro_type, dict):
        yield from _records(avro_type.get("items") or avro_type.get("values") or [])
