"""What a small body may make of an Avro schema that somebody else wrote: how deep it goes, and how many values. Pure.

Values may take no bytes: null, a record without fields. An array of them claims any number in a few bytes, and records
that hold others twice double them at each level. So the bytes must keep up with the values: then a body never makes
more values than its bytes are worth, and the peak of its schema.
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
"""The least bytes of a type's values."""
_DEPTH: Final = 100
"""Levels that a foreign schema may have. fastavro goes down in C, where nothing guards the stack."""
_PER_BYTE: Final = 4
"""Values that may come of a byte of a foreign body; an array of records with one field each makes two."""
_AHEAD: Final = 10_000
"""Values beyond these, in a whole body."""


def check_expansion(parsed: Any, names: Mapping[str, Any]) -> None:
    """Raise ValueError where a small body of a parsed schema, whose named types are `names`, could end the process."""
    if _Scales(names).weigh(parsed).peak > _AHEAD:
        raise ValueError("the Avro schema makes too much of too few bytes")


class _Weight(NamedTuple):
    """What comes of a type, counted in values, each byte that it takes being worth `_PER_BYTE` of them."""

    net: int
    """Values less bytes when it is read, at most."""
    peak: int
    """The same at the worst moment of reading it."""
    depth: int
    """Levels."""


class _Scales:
    """Weighs the types of a parsed schema; `names` are its named types."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._known: dict[str, _Weight] = {}

    def weigh(self, kind: Any, level: int = 1) -> _Weight:
        """The weight of a type at a level. Raises ValueError where it goes too deep, or its items take too little."""
        weight = self._weight(kind, level) if level <= _DEPTH else None
        if weight is None or weight.depth > _DEPTH:
            raise ValueError(f"the Avro schema holds itself, or has more than {_DEPTH} levels")
        return weight

    def _weight(self, kind: Any, level: int) -> _Weight:
        match kind:
            case str() if kind in _LEAST:
                weight = _leaf(_LEAST[kind])
            case str():
                if kind not in self._known:
                    self._known[kind] = self.weigh(self._names[kind], level)
                weight = self._known[kind]
            case [_, *_]:
                weight = _union([self.weigh(branch, level + 1) for branch in kind])
            case {"type": "record" | "error", "fields": fields}:
                weight = _record([self.weigh(field["type"], level + 1) for field in fields])
            case {"type": "array", "items": items}:
                weight = _many(self.weigh(items, level + 1), least=0)
            case {"type": "map", "values": values}:
                weight = _many(self.weigh(values, level + 1), least=1)
            case {"type": "fixed", "size": int(size)}:
                weight = _leaf(max(size, 0))
            case {"type": str(name)} if name in _LEAST:
                weight = _leaf(_LEAST[name])
            case _:
                raise ValueError("the Avro schema has a type that cannot be read")
        return weight


def _leaf(least: int) -> _Weight:
    """Of a value without others in it, which takes that many bytes at least."""
    return _Weight(net=1 - _PER_BYTE * least, peak=1, depth=1)


def _record(fields: list[_Weight]) -> _Weight:
    """Of a record: one field after the other."""
    net = peak = depth = 1
    for field in fields:
        peak = max(peak, net + field.peak)
        net += field.net
        depth = max(depth, field.depth + 1)
    return _Weight(net, peak, depth)


def _union(branches: list[_Weight]) -> _Weight:
    """Of a union: a byte that tells which, then that one."""
    net, peak, depth = (max(values) for values in zip(*branches, strict=True))
    return _Weight(net - _PER_BYTE, peak - _PER_BYTE, depth + 1)


def _many(item: _Weight, *, least: int) -> _Weight:
    """Of an array or a map, whose items take that many bytes besides. Raises ValueError where they take too few."""
    if item.net > _PER_BYTE * least:
        raise ValueError("the Avro schema has items that take too few bytes for what they hold")
    return _Weight(net=1 - _PER_BYTE, peak=max(1, item.peak), depth=item.depth + 1)
