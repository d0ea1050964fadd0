"""Records of each topic, read by the Avro libraries that others use."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import avro.io
import avro.protocol
import avro.schema
import fastavro
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from tests.support import sample_order

from journeys.avro import wire
from journeys.producer import schemas
from journeys.producer.export import files

RECORD_OF = {schemas.topic(sample_order.PREFIX, name): record for name, record in schemas.RECORDS.items()}
"""Topic → record."""


@pytest.fixture(scope="module")
def values() -> dict[str, list[bytes]]:
    """Topic → the framed values that the encoder makes of the sample order."""
    found = defaultdict(list)
    for record in sample_order.records():
        found[record.topic].append(record.value or b"")
    return found


def by_fastavro(schema: Any) -> Callable[[bytes], Any]:
    """A reader of framed values that uses fastavro."""
    return lambda value: fastavro.schemaless_reader(BytesIO(wire.unframe(value)[1]), schema, None)


def by_avro(schema: avro.schema.Schema) -> Callable[[bytes], Any]:
    """A reader of framed values that uses Apache's own library."""
    reader = avro.io.DatumReader(schema)
    return lambda value: reader.read(avro.io.BinaryDecoder(BytesIO(wire.unframe(value)[1])))


def by_our_schema(topic: str) -> Callable[[bytes], Any]:
    """The reader that the others are compared with."""
    return by_fastavro(fastavro.parse_schema(schemas.load(RECORD_OF[topic])))


@pytest.fixture(scope="module")
def registry() -> Iterator[SchemaRegistryClient]:
    """confluent-kafka's own registry in memory, which gives our schemas the ids that the sample's values bear."""
    with SchemaRegistryClient.new_client({"url": "mock://downstream"}) as client:
        for subject, schema_id in sample_order.IDS.items():
            name = subject.removeprefix(sample_order.PREFIX).removesuffix("-value")
            assert client.register_schema(subject, Schema(schemas.text(schemas.RECORDS[name]), "AVRO")) == schema_id
        yield client


def test_the_sample_fills_every_field_of_every_topic(values: dict[str, list[bytes]]) -> None:
    """A reader that cannot read some field of ours cannot pass these tests."""
    assert values.keys() == RECORD_OF.keys()
    for topic, framed in values.items():
        data = [by_our_schema(topic)(value) for value in framed]
        names = {field["name"] for field in schemas.load(RECORD_OF[topic])["fields"]}
        assert {name for name in names if all(datum[name] is None for datum in data)} == set()


@pytest.mark.parametrize("topic", RECORD_OF)
def test_fastavro_reads_every_topic_by_the_exported_files(topic: str, values: dict[str, list[bytes]]) -> None:
    """The .avsc and the protocol's types, parsed in their order, give what our schemas give."""
    expected = [by_our_schema(topic)(value) for value in values[topic]]
    named: dict[str, Any] = {}
    exported = files()
    types = json.loads(exported["journeys.avpr"])["types"]
    by_name = {part["name"]: fastavro.parse_schema(part, named_schemas=named) for part in types}
    alone = fastavro.parse_schema(json.loads(exported[f"{RECORD_OF[topic]}.avsc"]))
    for schema in (alone, by_name[RECORD_OF[topic]]):
        assert [by_fastavro(schema)(value) for value in values[topic]] == expected


@pytest.mark.parametrize("topic", RECORD_OF)
def test_apache_avro_reads_every_topic_by_the_exported_files(topic: str, values: dict[str, list[bytes]]) -> None:
    """Python's `avro` gives the same values, by the .avsc and by the protocol."""
    expected = [by_our_schema(topic)(value) for value in values[topic]]
    exported = files()
    types = avro.protocol.parse(exported["journeys.avpr"]).types or []
    [in_protocol] = [part for part in types if part.fullname == f"{schemas.NAMESPACE}.{RECORD_OF[topic]}"]
    for schema in (avro.schema.parse(exported[f"{RECORD_OF[topic]}.avsc"]), in_protocol):
        assert [by_avro(schema)(value) for value in values[topic]] == expected


@pytest.mark.parametrize("topic", RECORD_OF)
def test_confluents_deserializer_reads_every_topic(
    topic: str, values: dict[str, list[bytes]], registry: SchemaRegistryClient
) -> None:
    """AvroDeserializer finds the schema by the id in the value, and gives the same values."""
    expected = [by_our_schema(topic)(value) for value in values[topic]]
    deserialize = AvroDeserializer(registry)
    context = SerializationContext(topic, MessageField.VALUE)
    assert [deserialize(value, context) for value in values[topic]] == expected
