"""The tables in docs/schemas.md: every field of every record, from `schemas/` and the sample order.

`python -m tests.support.schema_pages` writes them into the document; a test holds the two equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.support import sample_order

from journeys.producer import schemas
from journeys.producer.channels import Channel

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "schemas.md"

_BEGIN, _END = "<!-- from schemas/: python -m tests.support.schema_pages -->\n", "<!-- end -->\n"
_HEAD = "| field | type | unit | meaning | example |\n| --- | --- | --- | --- | --- |\n"
_COMMON = "DirectEvent"
"""The record that has the fields of all channels and no other."""
_LONGEST = 60
"""Characters of an example."""


def with_tables(document: str) -> str:
    """The document with the tables as they have to be."""
    before, _, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, f"no place for the tables in {DOCUMENT.name}"
    return f"{before}{_BEGIN}\n{''.join(_tables())}{_END}{after}"


def newest_edition_sql() -> str:
    """The document's query for the newest edition of each order."""
    _, _, rest = DOCUMENT.read_text().partition("```sql\n")
    query, end, _ = rest.partition("```")
    assert end, f"no query in {DOCUMENT.name}"
    return query


def _tables() -> Iterator[str]:
    common = {field["name"] for field in schemas.definition(_COMMON)["fields"]}
    yield "### Events: the fields of every channel\n\n"
    yield from _table(schemas.definition(_COMMON)["fields"], _events())
    yield "### Events: the channel's own objects\n\n| topic | record | own fields |\n| --- | --- | --- |\n"
    for channel in Channel:
        record = schemas.definition(schemas.RECORDS[channel])
        own = [
            f"`{field['name']}` ({_type(field['type'])})" for field in record["fields"] if field["name"] not in common
        ]
        yield f"| `journey.{channel}` | `{record['name']}` | {', '.join(own) or 'none'} |\n"
    yield "\n"
    for name in _objects():
        record = schemas.definition(name)
        yield f"### {name}\n\n{record['doc']}\n\n"
        yield from _table(record["fields"], _values_of(name))
    for topic in (schemas.SUMMARY, schemas.REJECTED):
        record = schemas.definition(schemas.RECORDS[topic])
        yield f"### `journey.{topic}`: {record['name']}\n\n{record['doc']}\n\n"
        yield from _table(record["fields"], sample_order.decoded(topic))


def _table(fields: Iterable[Mapping[str, Any]], data: list[dict[str, Any]]) -> Iterator[str]:
    """The rows of one record; `data` are decoded records of it, for the examples."""
    yield _HEAD
    for field in fields:
        meaning = field["doc"].replace("Unit as sent.", "").strip().replace("|", "\\|")
        values = (datum[field["name"]] for datum in data if datum[field["name"]] not in (None, [], {}))
        cells = (
            f"`{field['name']}`",
            _type(field["type"]),
            _unit(field),
            meaning,
            "see there" if schemas.NAMESPACE in str(field["type"]) else _example(next(values)),
        )
        yield f"| {' | '.join(cells)} |\n"
    yield "\n"


def _type(avro_type: Any) -> str:
    """A type in words; one of our objects links to its table."""
    match avro_type:
        case [_, value]:
            words = f"{_type(value)} or null"
        case str():
            name = avro_type.removeprefix(f"{schemas.NAMESPACE}.")
            words = name if name == avro_type else f"[{name}](#{name.lower()})"
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            words = f"decimal({precision}, {scale})"
        case {"items": items}:
            words = f"array of {_type(items)}"
        case {"values": values}:
            words = f"map of {_type(values)}"
        case _:
            words = avro_type["logicalType"]
    return words


def _unit(field: Mapping[str, Any]) -> str:
    if "Unit as sent." in field["doc"]:
        return "as sent"
    if "timestamp-millis" in _type(field["type"]):
        return "ms since 1970, UTC"
    return "count" if field["doc"].startswith("How many") else ""


def _example(value: Any) -> str:
    """A value of the sample; an object has its own table."""
    match value:
        case datetime():
            text = value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Decimal():
            text = f"{value.normalize():f}"
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}`"


def _events() -> list[dict[str, Any]]:
    """The sample's events of all channels."""
    return [event for channel in Channel for event in sample_order.decoded(channel)]


def _objects() -> list[str]:
    """The types that events are made of, in the order in which the records of all channels name them."""
    fields = schemas.definition(schemas.RECORDS[Channel.OTHER])["fields"]
    types = [field["type"][1] for field in fields if isinstance(field["type"], list)]
    names = [each["items"] if isinstance(each, dict) and "items" in each else each for each in types]
    return [name.removeprefix(f"{schemas.NAMESPACE}.") for name in names if str(name).startswith(schemas.NAMESPACE)]


def _values_of(name: str) -> list[dict[str, Any]]:
    """The sample's values of a type."""
    fields = schemas.definition(schemas.RECORDS[Channel.OTHER])["fields"]
    [holder] = [field["name"] for field in fields if f"{schemas.NAMESPACE}.{name}" in json.dumps(field["type"])]
    held = [event[holder] for event in sample_order.decoded(Channel.OTHER) if event[holder]]
    return [item for value in held for item in (value if isinstance(value, list) else [value])]


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
