"""The files of schemas/, and how they become self-contained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests import expectations
from tests.support.released import broken_promises, types_in
from tests.support.schema_pages import DOCUMENT, with_tables
from tests.support.sink_lint import complaints

from journeys.avro.schema import Schema
from journeys.producer import schemas
from journeys.producer.channels import Channel

EVENTS = [schemas.RECORDS[channel] for channel in Channel]
RELEASES = sorted((Path(__file__).parents[3] / "schemas" / "released").iterdir())
FROZEN = {"1": "243aa93df3b9ef12a6f0251d9436cd33f38b5d440452f0b251ca255e2ff6a561"}
"""Release → sha256 of its files, one after the other by name. An entry never changes."""


def fields_of(record: str) -> dict[str, Any]:
    """A record's fields by name."""
    return {field["name"]: field for field in schemas.load(record)["fields"]}


def records_in(schema: Any) -> Iterator[dict[str, Any]]:
    """Each record that a schema defines, itself included."""
    if isinstance(schema, list):
        for branch in schema:
            yield from records_in(branch)
    elif isinstance(schema, dict) and schema["type"] == "array":
        yield from records_in(schema["items"])
    elif isinstance(schema, dict) and schema["type"] == "record":
        yield schema
        for field in schema["fields"]:
            yield from records_in(field["type"])


@pytest.mark.parametrize("record", schemas.RECORDS.values())
def test_a_schema_stands_alone(record: str) -> None:
    """A registered schema parses without any other file, and is the same text each time."""
    Schema(json.loads(schemas.text(record)))
    assert schemas.text(record) == json.dumps(schemas.load(record), ensure_ascii=False, separators=(",", ":"))


def test_every_file_is_used() -> None:
    """Each .avsc is a record of a topic or part of one."""
    used = {part["name"] for record in schemas.RECORDS.values() for part in records_in(schemas.load(record))}
    assert used == {path.stem for path in schemas.directory().glob("*.avsc")}


def test_the_document_has_every_field() -> None:
    """`python -m tests.support.schema_pages` writes its tables anew."""
    document = DOCUMENT.read_text()
    assert document == with_tables(document)


@pytest.mark.parametrize("record", schemas.RECORDS.values())
def test_everything_is_documented(record: str) -> None:
    """Each record and field says what it holds, and an integer of the API that its unit is as sent."""
    for part in records_in(schemas.load(record)):
        assert part["doc"]
        assert part["namespace"] == "journeys.v1"
        assert all(field["doc"].endswith(".") for field in part["fields"])
        if not part["name"].endswith(("Event", "Summary")):
            numbers = [field for field in part["fields"] if field["type"] != ["null", "string"]]
            assert all("Unit as sent." in field["doc"] for field in numbers)


@pytest.mark.parametrize("record", schemas.RECORDS.values())
def test_every_sink_can_take_a_schema(record: str) -> None:
    """A schema keeps the rules that sinks, code generators and later versions rest on."""
    assert complaints(schemas.load(record)) == []


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_a_released_set_is_frozen(release: Path) -> None:
    """A released file never changes, not even its docs."""
    content = b"".join(path.read_bytes() for path in sorted(release.iterdir()))
    assert sha256(content).hexdigest() == FROZEN[release.name]


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_every_released_field_is_there_with_its_type(release: Path) -> None:
    """The same type, logical type, precision and scale: more than the registry's check asks for."""
    released = types_in(release)
    assert set(schemas.RECORDS.values()) >= {name for name in released if name.endswith(("Event", "Summary"))}
    assert broken_promises(released, types_in(schemas.directory())) == []


@pytest.mark.parametrize("record", EVENTS)
def test_the_channels_agree(record: str) -> None:
    """The common fields of the channels are identical in each file, in the same order, and come first."""
    common = schemas.load("DirectEvent")["fields"]
    assert schemas.load(record)["fields"][: len(common)] == common


@pytest.mark.parametrize("channel", Channel)
def test_the_fields_are_those_of_the_api_document(channel: Channel) -> None:
    """A channel's record has every field of the API, by its name and type, and its own object and no other's."""
    fields = fields_of(schemas.RECORDS[channel])
    objects = expectations.ON_SITE | {name: expectations.SOURCES[name] for name in expectations.OBJECTS_OF[channel]}
    assert set(fields) == {*expectations.TEXTS, *expectations.OURS, *objects, "event_at"}
    money = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}
    types = {str: ["null", "string"], int: ["null", "long"], Decimal: ["null", money]}
    for name, expected in objects.items():
        record = next(records_in(fields[name]["type"]))
        assert {field["name"]: field["type"] for field in record["fields"]} == {
            field: types[kind] for field, kind in expected.items()
        }


def test_a_type_used_twice_is_written_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second use of a named type stays a reference, since Avro allows one definition only."""
    inner = {"type": "record", "name": "Inner", "namespace": "journeys.v1", "fields": []}
    use = [{"name": name, "type": ["null", "journeys.v1.Inner"], "default": None} for name in "ab"]
    outer = {"type": "record", "name": "Outer", "namespace": "journeys.v1", "fields": use}
    for schema in (inner, outer):
        (tmp_path / f"{schema['name']}.avsc").write_text(json.dumps(schema))
    monkeypatch.setattr(schemas, "directory", lambda: tmp_path)
    assert [field["type"][1] for field in schemas.load("Outer")["fields"]] == [inner, "journeys.v1.Inner"]
