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
from typing import Any, Final

import fastavro

from journeys import weights
from journeys.model import Json

_HEADER: Final = struct.Struct(">bi")
_MAGIC: Final = 0

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
        """Raises ValueError where a small body of this schema could take the process down."""
        weights.check(self._parsed, self._names)


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
