"""The schemas as files for other people's tools: self-contained `.avsc` files, and one Avro protocol.

A registry and most readers want a record's schema whole, with every type that it uses. Code generators want the
opposite: types that several records share may be defined only once in all that is compiled together. A protocol
(`.avpr`, Avro 1.12 specification, "Protocol Declaration") is the format that they read and that holds each type once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from journeys.model import Json
from journeys.producer import schemas

PROTOCOL: Final = "Journeys"
"""Name of the protocol; code generators make an empty interface of it."""


def files() -> dict[str, str]:
    """File name → text: one self-contained `.avsc` a topic, and `journeys.avpr`."""
    exported = {f"{record}.avsc": _text(schemas.load(record)) for record in schemas.RECORDS.values()}
    return exported | {f"{PROTOCOL.lower()}.avpr": _text(protocol())}


def protocol() -> dict[str, Any]:
    """All records as one Avro protocol without messages. Each named type is defined once, before its first use."""
    types: dict[str, Any] = {}
    for record in schemas.RECORDS.values():
        _add(record, types)
    return {
        "protocol": PROTOCOL,
        "namespace": schemas.NAMESPACE,
        "doc": "The records that journeys publishes.",
        "types": [*types.values()],
        "messages": {},
    }


def _add(record: str, types: dict[str, Any]) -> None:
    """Add a named type to `types`, the types that it uses first."""
    definition = schemas.definition(record)
    for name in _used(definition):
        if name not in types:
            _add(name, types)
    types[record] = definition


def _used(schema: Json) -> Iterator[str]:
    """The names of our own types that a schema refers to, without the namespace."""
    if isinstance(schema, str):
        if schema.startswith(f"{schemas.NAMESPACE}."):
            yield schema.removeprefix(f"{schemas.NAMESPACE}.")
    elif isinstance(schema, list):
        for branch in schema:
            yield from _used(branch)
    elif schema["type"] == "record":
        for field in schema["fields"]:
            yield from _used(field["type"])
    elif schema["type"] == "array":
        yield from _used(schema["items"])


def _text(schema: Json) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
