"""The Confluent wire format: the id of the schema that wrote a value, and the value.

byte 0        0
bytes 1 to 4  id of the writer's schema in the registry, big-endian, not negative
the rest      the value in Avro's binary encoding
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from journeys.avro.schema import Schema, foreign, own
from journeys.model import Json

_HEADER: Final = struct.Struct(">bi")
_MAGIC: Final = 0


def header(schema_id: int) -> bytes:
    """The five bytes before a body."""
    return _HEADER.pack(_MAGIC, schema_id)


def frame(schema_id: int, body: bytes) -> bytes:
    """A body in the Confluent wire format."""
    return header(schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """Schema id and body of a value in the Confluent wire format. Raises ValueError if it has another format."""
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

    With `trusted`, all schemas are our own: decimals become Decimals, and nothing guards against harmful schemas.

    `schema_of` takes a schema id and returns the schema's JSON text, or raises ValueError if there is none. It is
    called once for each id; other errors that it raises pass through, and the next value of that id calls it again.
    """

    def __init__(self, schema_of: Callable[[int], str], *, trusted: bool = False) -> None:
        self._schema_of = schema_of
        self._parse = own if trusted else foreign
        self._schemas: dict[int, Schema] = {}
        self._refused: dict[int, str] = {}

    def decode(self, value: bytes) -> Json:
        """The datum of a framed value. Raises ValueError if frame, schema or body is broken."""
        schema_id, body = unframe(value)
        if schema_id not in self._schemas:
            self._learn(schema_id)
        return self._schemas[schema_id].decode(body)

    def _learn(self, schema_id: int) -> None:
        if (why := self._refused.get(schema_id)) is not None:
            raise ValueError(why)
        try:
            self._schemas[schema_id] = self._parse(self._schema_of(schema_id))
        except ValueError as error:
            self._refused[schema_id] = str(error)
            raise
