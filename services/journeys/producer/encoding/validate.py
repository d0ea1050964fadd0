"""What a datum has to be, said slowly: the path and the reason of what does not fit its schema.

Encoders only find that something is wrong, or in another form than they take. This walks the datum then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from journeys.model import Json
from journeys.producer.encoding.text import encodable

_LONGS = range(-(2**63), 2**63)


class Unfit(ValueError):  # noqa: N818 - named for what the value is
    """A value does not fit its schema. `path` leads to it; its text holds types, never the value."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path.removeprefix('.') or 'the datum'}: {why}")
        self.path = path.removeprefix(".")


def completed(schema: Mapping[str, Any], datum: Any) -> dict[str, Any]:
    """The datum with every field of its schema and no other, in the types that encoders take.

    An absent field gets its default, else null. Raises Unfit.
    """
    return _Walk(schema).record(schema, datum, "")


class _Walk:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._records = {f"{kind['namespace']}.{kind['name']}": kind for kind in _records(schema)}

    def record(self, kind: Mapping[str, Any], datum: Any, path: str) -> dict[str, Any]:
        if not isinstance(datum, Mapping):
            raise _wrong(path, "an object", datum)
        return {
            field["name"]: self._value(field["type"], _of(field, datum, path), f"{path}.{field['name']}")
            for field in kind["fields"]
        }

    def _value(self, kind: Json, value: Any, path: str) -> Any:
        if isinstance(kind, list):
            return None if value is None else self._value(kind[1], value, path)
        if isinstance(kind, str):
            kind = self._records.get(kind) or {"type": kind}
        if (scalar := _SCALARS.get(kind["type"])) is not None:
            return scalar(value, path)
        walk = {"array": self._array, "map": self._map}.get(kind["type"], self.record)
        return walk(kind, value, path)

    def _array(self, kind: Mapping[str, Any], value: Any, path: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _wrong(path, "an array", value)
        return [self._value(kind["items"], item, f"{path}[{place}]") for place, item in enumerate(value)]

    def _map(self, kind: Mapping[str, Any], value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _wrong(path, "a map", value)
        # A key may be personal data, so entries are told by their place.
        return {
            _string(key, f"{path}[{place}]"): self._value(kind["values"], item, f"{path}[{place}]")
            for place, (key, item) in enumerate(value.items())
        }


def _of(field: Mapping[str, Any], datum: Mapping[str, Any], path: str) -> Any:
    name = field["name"]
    if name in datum:
        return datum[name]
    if "default" not in field and not isinstance(field["type"], list):
        raise Unfit(f"{path}.{name}", "the field is missing, and may not be null")
    return field.get("default")


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "a text", value)
    if not encodable(value):
        raise Unfit(path, "a text with a lone surrogate has no form in UTF-8")
    return value


def _long(value: Any, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(path, "an integer", value)
    if value not in _LONGS:
        raise Unfit(path, "the integer has more than 64 bits")
    return int(value)


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(path, "a boolean", value)
    return value


_SCALARS: Final[Mapping[str, Callable[[Any, str], Any]]] = {"string": _string, "long": _long, "boolean": _boolean}


def _wrong(path: str, wanted: str, value: Any) -> Unfit:
    return Unfit(path, f"{wanted} is wanted, not {'null' if value is None else type(value).__name__}")


def _records(kind: Json) -> Iterator[Mapping[str, Any]]:
    """Each record that a type defines."""
    if isinstance(kind, list):
        for branch in kind:
            yield from _records(branch)
    elif isinstance(kind, dict) and kind["type"] == "record":
        yield kind
        for field in kind["fields"]:
            yield from _records(field["type"])
    elif isinstance(kind, dict):
        yield from _records(kind.get("items") or kind.get("values") or [])
