"""The only door to fastavro: Avro values as bytes, and the Confluent wire format around them.

byte 0        0
bytes 1 to 4  id of the writer's schema in the registry, big-endian, not negative
the rest      the value in Avro's binary encoding
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, NamedTuple

import fastavro

from journeys.model import Json

_HEADER: Final = struct.Struct(">bi")
_MAGIC: Final = 0

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

# fastavro raises whatever its reading of a broken body runs into.
_UNREADABLE: Final = (
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    RecursionError,
    TypeError,
    UnicodeDecodeError,
    ValueError,
    struct.error,
)


class Schema:
    """A parsed, self-contained Avro schema that encodes and decodes bodies.

    `definition` is the schema as decoded JSON. Raises ValueError where it is no Avro schema.
    """

    def __init__(self, definition: Json) -> None:
        names: dict[str, Any] = {}
        try:
            self._parsed = fastavro.parse_schema(definition, named_schemas=names)
        except (fastavro.schema.SchemaParseException, AttributeError, *_UNREADABLE) as error:
            raise ValueError(f"not an Avro schema: {error!r}") from error
        self._names = names

    def encode(self, datum: Json) -> bytes:
        """The Avro body of a datum. Raises ValueError or TypeError where it does not fit the schema."""
        buffer = BytesIO()
        fastavro.schemaless_writer(buffer, self._parsed, datum)
        return buffer.getvalue()

    def decode(self, body: bytes) -> Json:
        """The datum of an Avro body; timestamps are aware datetimes in UTC. Raises ValueError if it is broken."""
        buffer = BytesIO(body)
        try:
            datum: Json = fastavro.schemaless_reader(buffer, self._parsed, None)
        except _UNREADABLE as error:
            raise ValueError(f"the Avro body does not match its schema: {type(error).__name__}") from error
        if buffer.tell() != len(body):
            raise ValueError("the Avro body is longer than its schema says")
        return datum

    def check(self) -> None:
        """Raises ValueError where a small body of this schema could take the process down; see `_Scales`."""
        if _Scales(self._names).weigh(self._parsed).peak > _AHEAD:
            raise ValueError("the Avro schema makes too much of too few bytes")


_DEPTH: Final = 100
"""Levels that a foreign schema may have. fastavro goes down in C, where nothing guards the stack."""
_PER_BYTE: Final = 4
"""Values that may come of a byte of a foreign body; an array of records with one field each makes two."""
_AHEAD: Final = 10_000
"""Values beyond these, in a whole body."""


class _Weight(NamedTuple):
    """What comes of a type, counted in values, each byte that it takes being worth `_PER_BYTE` of them."""

    net: int
    """Values less bytes when it is read, at most."""
    peak: int
    """The same at the worst moment of reading it."""
    depth: int
    """Levels."""


class _Scales:
    """Weighs the types of a parsed schema; `names` are its named types.

    Values may take no bytes: null, a record without fields. An array of them claims any number in a few bytes, and
    records that hold others twice double them at each level. So the bytes must keep up with the values: then a body
    never makes more values than its bytes are worth, and the peak of its schema.
    """

    def __init__(self, names: dict[str, Any]) -> None:
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


def foreign(text: str) -> Schema:
    """A schema that somebody else wrote, from its JSON text. Raises ValueError where it is none, or is not safe."""
    try:
        definition = json.loads(text, object_hook=_tame)
    except RecursionError as error:
        raise ValueError("the Avro schema goes too deep") from error
    schema = Schema(definition)
    schema.check()
    return schema


def _tame(part: dict[str, Any]) -> dict[str, Any]:
    """Without fastavro's own marks, by which it would take other types for those that were checked.

    And without the logical types that are not wanted: the digits of a long decimal take minutes, in which nothing else
    runs, and an order id that is a UUID is wanted as it is written.
    """
    left_out = {"logicalType"} if part.get("logicalType") in ("decimal", "uuid") else set()
    return {key: value for key, value in part.items() if not key.startswith("__") and key not in left_out}


def header(schema_id: int) -> bytes:
    """The five bytes that stand before a body."""
    return _HEADER.pack(_MAGIC, schema_id)


def frame(schema_id: int, body: bytes) -> bytes:
    """A body in the Confluent wire format."""
    return header(schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """Schema id and body of a value in the Confluent wire format. Raises ValueError where it is none."""
    if len(value) < _HEADER.size:
        raise ValueError(f"{len(value)} bytes are too few for the Confluent wire format")
    magic, schema_id = _HEADER.unpack_from(value)
    if magic != _MAGIC:
        raise ValueError(f"the first byte is {value[0]}, not 0: this is not the Confluent wire format")
    if schema_id < 0:
        raise ValueError(f"{schema_id} is no schema id")
    return schema_id, value[_HEADER.size :]


class Decoder:
    """Decodes values in the Confluent wire format, each by the schema that wrote it.

    `schema_of` takes a schema id and gives the schema's JSON text, or raises ValueError where there is none; each id is
    asked for once. What else it raises passes through, and nothing is remembered then.
    """

    def __init__(self, schema_of: Callable[[int], str]) -> None:
        self._schema_of = schema_of
        self._schemas: dict[int, Schema] = {}
        self._refused: dict[int, str] = {}

    def decode(self, value: bytes) -> Json:
        """The datum of a framed value. Raises ValueError where frame, schema or body is broken."""
        schema_id, body = unframe(value)
        if schema_id not in self._schemas:
            self._learn(schema_id)
        return self._schemas[schema_id].decode(body)

    def _learn(self, schema_id: int) -> None:
        if (why := self._refused.get(schema_id)) is not None:
            raise ValueError(why)
        try:
            self._schemas[schema_id] = foreign(self._schema_of(schema_id))
        except ValueError as error:
            self._refused[schema_id] = str(error)
            raise
