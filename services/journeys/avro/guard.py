"""A guard against foreign Avro schemas by which a small body decodes to a huge value, or a very deep one.

Some values take no bytes: null, and a record without fields. An array of them claims any length in a few bytes, and
records that hold others twice double their number at each level. We allow at most `_PER_BYTE` decoded values per byte
of the body, plus `_AHEAD`. A schema that could exceed this is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_LEAST: Final = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
    "enum": 1,
}
"""Least size of a value of each type, in bytes."""
_DEPTH: Final = 100
"""Most levels of a foreign schema. fastavro recurses in C, where nothing guards the stack."""
_PER_BYTE: Final = 4
"""Decoded values allowed per byte of a foreign body. An array of records with one field each makes two."""
_AHEAD: Final = 10_000
"""Decoded values allowed beyond these, in a whole body."""


def check_expansion(parsed: Any, names: Mapping[str, Any]) -> None:
    """Raise ValueError if a small body of a parsed schema could exhaust the memory. `names` are its named types."""
    if _Types(names).bounds(parsed).peak > _AHEAD:
        raise ValueError("by the Avro schema, a few bytes may decode to too many values")


class _Bounds(NamedTuple):
    """Upper bounds of decoding one value of a type. A byte of its body pays for `_PER_BYTE` decoded values."""

    debt: int
    """Decoded values that are not paid for once the value is read; negative if its bytes pay for more."""
    peak: int
    """The greatest debt while the value is being read."""
    depth: int
    """Levels of the type."""


class _Types:
    """Computes the bounds of the types of a parsed schema; `names` are its named types."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._known: dict[str, _Bounds] = {}

    def bounds(self, avro_type: Any, level: int = 1) -> _Bounds:
        """The bounds of a type at a level. Raises ValueError if it is too deep, or its items take too few bytes."""
        bounds = self._bounds(avro_type, level) if level <= _DEPTH else None
        if bounds is None or bounds.depth > _DEPTH:
            raise ValueError(f"the Avro schema holds itself, or has more than {_DEPTH} levels")
        return bounds

    def _bounds(self, avro_type: Any, level: int) -> _Bounds:
        match avro_type:
            case str() if avro_type in _LEAST:
                bounds = _leaf(_LEAST[avro_type])
            case str():
                if avro_type not in self._known:
                    self._known[avro_type] = self.bounds(self._names[avro_type], level)
                bounds = self._known[avro_type]
            case [_, *_]:
                bounds = _union([self.bounds(branch, level + 1) for branch in avro_type])
            case {"type": "record" | "error", "fields": fields}:
                bounds = _record([self.bounds(field["type"], level + 1) for field in fields])
            case {"type": "array", "items": items}:
                bounds = _many(self.bounds(items, level + 1), least=0)
            case {"type": "map", "values": values}:
                bounds = _many(self.bounds(values, level + 1), least=1)
            case {"type": "fixed", "size": int(size)}:
                bounds = _leaf(max(size, 0))
            case {"type": str(name)} if name in _LEAST:
                bounds = _leaf(_LEAST[name])
            case _:
                raise ValueError("the Avro schema has a type that cannot be read")
        return bounds


def _leaf(least: int) -> _Bounds:
    """The bounds of a value that holds no others and takes at least that many bytes."""
    return _Bounds(debt=1 - _PER_BYTE * least, peak=1, depth=1)


def _record(fields: list[_Bounds]) -> _Bounds:
    """The bounds of a record, which is read field by field."""
    debt = peak = depth = 1
    for field in fields:
        peak = max(peak, debt + field.peak)
        debt += field.debt
        depth = max(depth, field.depth + 1)
    return _Bounds(debt, peak, depth)


def _union(branches: list[_Bounds]) -> _Bounds:
    """The bounds of a union: a byte for the branch, then its value."""
    debt, peak, depth = (max(values) for values in zip(*branches, strict=True))
    return _Bounds(debt - _PER_BYTE, peak - _PER_BYTE, depth + 1)


def _many(item: _Bounds, *, least: int) -> _Bounds:
    """The bounds of an array or a map, whose items take `least` bytes more. Raises ValueError if they take too few."""
    if item.debt > _PER_BYTE * least:
        raise ValueError("the Avro schema has items that take too few bytes for what they hold")
    return _Bounds(debt=1 - _PER_BYTE, peak=max(1, item.peak), depth=item.depth + 1)
