"""Changes to a schema that Avro's compatibility check accepts although they change what readers get."""

from __future__ import annotations

from typing import Any, Final


def _field(avro_type: Any, name: str) -> dict[str, Any]:
    return {"name": name, "type": avro_type, "default": None, "doc": "A field."}


def _decimal(scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale}


def _record(**types: Any) -> dict[str, Any]:
    fields = [_field(["null", avro_type], name) for name, avro_type in types.items()]
    return {"type": "record", "name": "Sample", "namespace": "journeys.v1", "doc": "A record.", "fields": fields}


_TYPES: Final[dict[str, Any]] = {
    "id": "string",
    "price": _decimal(9),
    "at": {"type": "long", "logicalType": "timestamp-millis"},
    "note": "string",
}

RELEASED: Final = _record(**_TYPES)
"""A schema that was released."""

CHANGES: Final = {
    "another scale": _record(**_TYPES | {"price": _decimal(2)}),
    "another precision": _record(**_TYPES | {"price": _decimal(9) | {"precision": 20}}),
    "decimal to string": _record(**_TYPES | {"price": "string"}),
    "millis to micros": _record(**_TYPES | {"at": {"type": "long", "logicalType": "timestamp-micros"}}),
    "a removed field with a default": _record(**{name: kept for name, kept in _TYPES.items() if name != "note"}),
}
"""Name of a change → the schema after it."""
