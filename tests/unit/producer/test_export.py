"""The schemas as files for code generators and other tools."""

from __future__ import annotations

import json
from typing import Any

import fastavro
import pytest

from journeys.producer import schemas
from journeys.producer.export import files, protocol


def test_the_protocol_defines_each_type_once() -> None:
    """Code generators refuse a second definition of a name; each .avsc of schemas/ is one type."""
    names = [part["name"] for part in protocol()["types"]]
    assert sorted(names) == sorted(path.stem for path in schemas.directory().glob("*.avsc"))


def test_the_protocol_defines_each_type_before_its_use() -> None:
    """Tools that read the types in their order find every name already defined."""
    known: dict[str, Any] = {}
    for part in protocol()["types"]:
        fastavro.parse_schema(part, named_schemas=known)
    assert len(known) == len(protocol()["types"])


def test_there_is_a_file_for_each_topic_and_one_protocol() -> None:
    """The files are readable JSON that ends with a newline."""
    exported = files()
    assert exported.keys() == {*(f"{record}.avsc" for record in schemas.RECORDS.values()), "journeys.avpr"}
    assert all(text.startswith("{\n") and text.endswith("}\n") for text in exported.values())
    assert json.loads(exported["journeys.avpr"]) == protocol()


@pytest.mark.parametrize("record", schemas.RECORDS.values())
def test_an_exported_schema_is_the_registered_one(record: str) -> None:
    """The two differ only in line breaks."""
    assert json.loads(files()[f"{record}.avsc"]) == json.loads(schemas.text(record))
