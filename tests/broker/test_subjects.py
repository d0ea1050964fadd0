"""Schema ids from a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from tests.expectations import expected_record

from journeys.avro.wire import Decoder
from journeys.errors import SetupError
from journeys.model import Journey
from journeys.producer import registry, schemas
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.registry import State

pytestmark = pytest.mark.broker

ALIEN = '{"type":"record","name":"EmailEvent","namespace":"journeys.v1","fields":[{"name":"n","type":"long"}]}'


@pytest.fixture
def prefix() -> str:
    """Topics of this test alone."""
    return f"test-{uuid4().hex}."


@pytest.fixture
def client(registry_url: str) -> Iterator[SchemaRegistryClient]:
    """The registry's own client."""
    with SchemaRegistryClient({"url": registry_url, "timeout": 10}) as client:
        yield client


def older_version(record: str) -> Schema:
    """A schema as it may have been before a nullable field was added."""
    schema = schemas.load(record)
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "event_medium"]
    return Schema(json.dumps(schema), "AVRO")


def test_what_was_registered_is_found(registry_url: str, client: SchemaRegistryClient, prefix: str) -> None:
    """Every subject gets its schema and its rule, and the worker's look-up finds the same ids."""
    done = registry.register(registry_url, {}, prefix)
    ids = registry.lookup(registry_url, {}, prefix)
    assert {one.subject: one.schema_id for one in done} == ids
    assert all(one.created for one in done)
    assert {client.get_compatibility(name) for name in ids} == {"FULL_TRANSITIVE"}
    assert {subject.state for subject in registry.check(registry_url, {}, prefix)} == {State.OK}


def test_the_registry_decodes_what_the_worker_encodes(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """A registry may write a schema in its own way; it reads our records all the same."""
    registry.register(registry_url, {}, prefix)
    encoder = JourneyEncoder(registry.lookup(registry_url, {}, prefix), topic_prefix=prefix)
    event = {"event_type": "ads", "ad": {"ad_id": "7"}, "products": [None, {"price": 129}], "new": 1}
    decoder = Decoder(lambda schema_id: client.get_schema(schema_id).schema_str or "")
    journey = Journey(
        order_id="1001",
        account="default",
        edition="orders.completed/0/0",
        order_timestamp_ms=None,
        events=(event, None),
        total=2,
        pages=1,
        repeated=0,
        consistent=True,
        shop_currency=None,
        extra={},
        fetched_at_ms=0,
    )
    record, rejected, summary = (decoder.decode(each.value or b"") for each in encoder.encode(journey))
    expected = expected_record(event, "ads")
    assert {name: record[name] for name in expected} == expected
    assert (rejected["raw"], summary["expected"]) == ("null", {"ads": 1})


def test_registering_again_changes_nothing(registry_url: str, client: SchemaRegistryClient, prefix: str) -> None:
    """A second call creates no version."""
    first = registry.register(registry_url, {}, prefix)
    second = registry.register(registry_url, {}, prefix)
    assert [one.schema_id for one in first] == [one.schema_id for one in second]
    assert not any(one.created for one in second)
    assert {len(client.get_versions(one.subject)) for one in second} == {1}


def test_every_missing_subject_is_named(registry_url: str, prefix: str) -> None:
    """A worker that finds nothing refuses to start, names all of it and the command that mends it."""
    with pytest.raises(SetupError) as refused:
        registry.lookup(registry_url, {}, prefix)
    assert all(f"{prefix}{name}-value (missing)" in str(refused.value) for name in schemas.RECORDS)
    assert refused.value.remedy == "journeys schemas register"


def test_a_newer_version_leaves_an_older_worker_its_own(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """A release that added a nullable field has registered it: this worker's schema is still found."""
    before = registry.register(registry_url, {}, prefix)[0]
    newer = schemas.load(before.record)
    newer["fields"].append({"name": "later", "type": ["null", "string"], "default": None})
    newer_id = client.register_schema(before.subject, Schema(json.dumps(newer), "AVRO"))
    assert newer_id != before.schema_id
    assert registry.lookup(registry_url, {}, prefix)[before.subject] == before.schema_id


def test_a_compatible_difference_can_be_registered(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """An older version is told as such, and registering adds ours beside it."""
    name = f"{prefix}ads-value"
    client.register_schema(name, older_version("AdsEvent"))
    found = registry.check(registry_url, {}, prefix)[0]
    assert (found.name, found.state, found.compatible) == (name, State.DIFFERS, True)
    assert registry.register(registry_url, {}, prefix)[0].created
    assert len(client.get_versions(name)) == 2


def test_an_incompatible_difference_stops_everything(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """Nothing is registered while one subject is incompatible: it is named, and no remedy is promised."""
    name = f"{prefix}email-value"
    client.register_schema(name, Schema(ALIEN, "AVRO"))
    client.set_compatibility(name, "FULL_TRANSITIVE")
    for ask in (registry.lookup, registry.register):
        with pytest.raises(SetupError, match=r"email-value \(differs, incompatible\)") as refused:
            ask(registry_url, {}, prefix)
        assert refused.value.remedy is None
    assert [subject for subject in client.get_subjects() if subject.startswith(prefix)] == [name]


def test_a_subject_without_a_rule_is_judged_by_ours(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """Where the registry would take anything, our rule is set first, and an alien schema is still refused."""
    name = f"{prefix}ads-value"
    client.register_schema(name, Schema(ALIEN.replace("EmailEvent", "AdsEvent"), "AVRO"))
    with pytest.raises(SetupError, match=r"ads-value \(differs, incompatible\)"):
        registry.register(registry_url, {}, prefix)
    assert len(client.get_versions(name)) == 1


def test_an_address_without_the_apis_path_is_told(registry_url: str) -> None:
    """The usual slip has its own line."""
    with pytest.raises(SetupError, match="lacks a path"):
        registry.lookup(registry_url.removesuffix("/apis/ccompat/v7"), {}, "journey.")
