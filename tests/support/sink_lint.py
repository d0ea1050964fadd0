"""Rules for schemas that every sink can take: Parquet, BigQuery, Iceberg, Java classes, SQL.

A schema that is released cannot be mended. So each rule holds from the first version on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

WITHOUT_DEFAULT: Final = frozenset({"account", "edition", "order_id", "position", "journey_size", "fetched_at", "raw"})
"""Fields without a default. With full compatibility they can never be removed, so this list must not grow."""
DEPTH: Final = 3
"""Levels of records, arrays and maps, the record of the topic included."""
MONEY: Final = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}
TIMESTAMP: Final = {"type": "long", "logicalType": "timestamp-millis"}

_PLAIN: Final = frozenset({"string", "long", "boolean"})
_MONEY_NAMES: Final = ("price", "cost", "order_total", "currency_total")
_TIME_NAMES: Final = ("_at", "timestamp")


def complaints(schema: Mapping[str, Any]) -> list[str]:
    """The rules that a self-contained schema breaks, one line each, with the path of the field."""
    return [*_record(schema, schema["name"], 1), *_twins("type", (name for name, _ in _types(schema)))]


def _record(record: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    if not record.get("doc"):
        yield f"{path}: no doc"
    yield from _twins(f"field of {path}", (field["name"] for field in record["fields"]))
    for field in record["fields"]:
        here = f"{path}.{field['name']}"
        if not field.get("doc", "").endswith("."):
            yield f"{here}: no doc"
        if "default" not in field and (depth > 1 or field["name"] not in WITHOUT_DEFAULT):
            yield f"{here}: no default"
        if isinstance(field["type"], list) and field["default"] is not None:
            yield f"{here}: may be null, but null is not its default"
        yield from _named(field, here)
        yield from _type(field["type"], here, depth)


def _named(field: Mapping[str, Any], path: str) -> Iterator[str]:
    """Names promise types: money is decimal, a time is a timestamp."""
    value = _not_null(field["type"])
    if field["name"].endswith(_MONEY_NAMES) and value != MONEY:
        yield f"{path}: money, but no decimal(38, 9)"
    if field["name"].endswith(_TIME_NAMES) and value != TIMESTAMP:
        yield f"{path}: a time, but no timestamp-millis"


def _type(avro_type: Any, path: str, depth: int) -> Iterator[str]:
    match avro_type:
        case str() if avro_type in _PLAIN or "." in avro_type:  # a name with a dot is a type defined before
            pass
        case ["null", dict() | str() as value]:
            yield from _type(value, path, depth)
        case list():
            yield f"{path}: a union of anything but null and one type"
        case dict() if avro_type["type"] in ("record", "array", "map"):
            if depth == DEPTH:
                yield f"{path}: deeper than {DEPTH} levels"
            yield from _container(avro_type, path, depth + 1)
        case _ if avro_type not in (MONEY, TIMESTAMP):
            yield f"{path}: type {avro_type}"


def _container(avro_type: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    match avro_type:
        case {"type": "record"}:
            yield from _record(avro_type, path, depth)
        case {"items": list()}:
            yield f"{path}: an array with null items"
        case {"items": items}:
            yield from _type(items, path, depth)
        case {"values": values} if values not in [*_PLAIN]:
            yield f"{path}: a map of anything but plain values"


def _types(schema: Any) -> Iterator[tuple[str, Any]]:
    """Each named type that a schema defines, itself included."""
    match schema:
        case {"type": "record", "name": name, "fields": fields}:
            yield name, schema
            for field in fields:
                yield from _types(field["type"])
        case {"items": items}:
            yield from _types(items)
        case list():
            for branch in schema:
                yield from _types(branch)


def _twins(what: str, names: Iterable[str]) -> Iterator[str]:
    """Names that sinks which ignore case would take for one."""
    counts = Counter(name.lower() for name in names)
    yield from (f"{what}: {name} twice, but for case" for name, count in counts.items() if count > 1)


def _not_null(avro_type: Any) -> Any:
    return avro_type[-1] if isinstance(avro_type, list) else avro_type
