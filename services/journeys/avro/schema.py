"""The only door to fastavro: Avro schemas that encode and decode, our own and foreign ones."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from typing import Any, Final

import fastavro

from journeys.avro import guard
from journeys.model import Json

# A broken body makes fastavro raise any of these.
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

    `definition` is the schema as decoded JSON. Raises ValueError if it is no Avro schema.
    """

    def __init__(self, definition: Json) -> None:
        names: dict[str, Any] = {}
        try:
            self._parsed = fastavro.parse_schema(definition, named_schemas=names)
        except (fastavro.schema.SchemaParseException, AttributeError, *_UNREADABLE) as error:
            raise ValueError(f"not an Avro schema: {error!r}") from error
        self._names = names

    def encode(self, datum: Json) -> bytes:
        """The Avro body of a datum. Raises ValueError or TypeError if it does not fit the schema."""
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
        """Raise ValueError if a small body of this schema could exhaust the memory or the stack."""
        guard.check_expansion(self._parsed, self._names)


def own(text: str) -> Schema:
    """One of our own schemas, from its JSON text."""
    return Schema(json.loads(text))


def foreign(text: str) -> Schema:
    """A foreign schema, from its JSON text. Raises ValueError if it is no Avro schema, or is not safe to decode by."""
    try:
        definition = json.loads(text, object_hook=_tame)
    except RecursionError as error:
        raise ValueError("the Avro schema is too deep") from error
    schema = Schema(definition)
    schema.check()
    return schema


def _tame(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a foreign schema without the keys that fastavro gives a meaning of its own.

    A key that begins with `__` could make fastavro use other types than those checked. A long decimal takes minutes to
    convert, and nothing else runs meanwhile. An order id that is a UUID is wanted as it is written.
    """
    left_out = {"logicalType"} if part.get("logicalType") in ("decimal", "uuid") else set()
    return {key: value for key, value in part.items() if not key.startswith("__") and key not in left_out}
