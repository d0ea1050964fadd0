"""Schema ids from a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from msgspec import yaml
from tests.expectations import expected_record
from tests.support.json_pages import differences
from tests.support.schema_changes import CHANGES, RELEASED

from journeys.avro.wire import Decoder
from journeys.cli import main
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


def test_registered_schemas_are_found(registry_url: str, client: SchemaRegistryClient, prefix: str) -> None:
    """Each subject gets its schema and its compatibility rule, and the worker's look-up finds the same ids."""
    done = registry.register(registry_url, {}, prefix)
    ids = registry.lookup(registry_url, {}, prefix)
    assert {one.subject: one.schema_id for one in done} == ids
    assert all(one.created for one in done)
    assert {client.get_compatibility(name) for name in ids} == {"FULL_TRANSITIVE"}
    assert {subject.state for subject in registry.check(registry_url, {}, prefix)} == {State.OK}


def test_health_check_of_compose_finds_a_healthy_registry(registry_url: str) -> None:
    """The same release answers there on its HTTP port. Without that, no service after it starts."""
    compose = yaml.decode((Path(__file__).parents[2] / "docker-compose.yml").read_bytes())
    [_, command] = compose["services"]["registry"]["healthcheck"]["test"]
    address = urlsplit(command.split()[-1])
    assert address.port == 8080
    here = urlsplit(registry_url)._replace(path=address.path)
    assert httpx.get(here.geturl(), trust_env=False).status_code == 200


def test_commands_register_and_check_the_schemas(
    registry_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check fails before the registration, and passes afterwards; a second registration creates nothing."""
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", registry_url)
    monkeypatch.setenv("JOURNEYS_PUBLISH__TOPIC_PREFIX", prefix)

    def answer(command: str, *, code: int = 0) -> list[dict[str, Any]]:
        assert main(["schemas", command, "--json"]) == code
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        assert differences(f"journeys schemas {command}", found) == []
        return found

    assert {each["state"] for each in answer("check", code=1)} == {"missing"}
    registered, again = answer("register"), answer("register")
    assert ({each["created"] for each in registered}, {each["created"] for each in again}) == ({True}, {False})
    assert {each["subject"]: each["id"] for each in answer("check")} == registry.lookup(registry_url, {}, prefix)


def test_records_decode_through_the_registry(registry_url: str, client: SchemaRegistryClient, prefix: str) -> None:
    """A registry may rewrite a schema's text; consumers still decode the worker's records with it."""
    registry.register(registry_url, {}, prefix)
    encoder = JourneyEncoder(registry.lookup(registry_url, {}, prefix), topic_prefix=prefix)
    event = {"event_type": "ads", "ad": {"ad_id": "7"}, "products": [{}, {"price": 129}], "new": 1}
    decoder = Decoder(lambda schema_id: client.get_schema(schema_id).schema_str or "", trusted=True)
    journey = Journey(
        order_id="1001",
        account="default",
        edition="orders.completed/0/0",
        order_timestamp_ms=None,
        events=(event, None),
        total=2,
        pages=1,
        repeated=0,
        shared_ids=0,
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
    """A second registration creates no version."""
    first = registry.register(registry_url, {}, prefix)
    second = registry.register(registry_url, {}, prefix)
    assert [one.schema_id for one in first] == [one.schema_id for one in second]
    assert not any(one.created for one in second)
    assert {len(client.get_versions(one.subject)) for one in second} == {1}


def test_every_missing_subject_is_named(registry_url: str, prefix: str) -> None:
    """A worker without schemas refuses to start, and names each missing subject and the command that registers it."""
    with pytest.raises(SetupError) as refused:
        registry.lookup(registry_url, {}, prefix)
    assert all(f"{prefix}{name}-value (missing)" in str(refused.value) for name in schemas.RECORDS)
    assert refused.value.remedy == "journeys schemas register"


def test_an_older_worker_finds_its_schema_beside_a_newer_one(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """After a release that added a nullable field, an older worker still finds its own schema."""
    before = registry.register(registry_url, {}, prefix)[0]
    newer = schemas.load(before.record)
    newer["fields"].append({"name": "later", "type": ["null", "string"], "default": None})
    newer_id = client.register_schema(before.subject, Schema(json.dumps(newer), "AVRO"))
    assert newer_id != before.schema_id
    assert registry.lookup(registry_url, {}, prefix)[before.subject] == before.schema_id


def test_a_compatible_schema_is_registered_beside_an_older_one(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """The check reports an older version, and registering adds ours beside it."""
    name = f"{prefix}ads-value"
    client.register_schema(name, older_version("AdsEvent"))
    found = registry.check(registry_url, {}, prefix)[0]
    assert (found.name, found.state, found.compatible) == (name, State.DIFFERS, True)
    assert registry.register(registry_url, {}, prefix)[0].created
    assert len(client.get_versions(name)) == 2


def test_one_incompatible_subject_stops_all_registration(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """While one subject is incompatible nothing is registered; the error names it and promises no remedy."""
    name = f"{prefix}email-value"
    client.register_schema(name, Schema(ALIEN, "AVRO"))
    client.set_compatibility(name, "FULL_TRANSITIVE")
    for ask in (registry.lookup, registry.register):
        with pytest.raises(SetupError, match=r"email-value \(differs, incompatible\)") as refused:
            ask(registry_url, {}, prefix)
        assert refused.value.remedy is None
    assert [subject for subject in client.get_subjects() if subject.startswith(prefix)] == [name]


def test_our_compatibility_rule_applies_to_a_subject_without_one(
    registry_url: str, client: SchemaRegistryClient, prefix: str
) -> None:
    """In a registry that accepts anything, our rule is set first, and a foreign schema is still refused."""
    name = f"{prefix}ads-value"
    client.register_schema(name, Schema(ALIEN.replace("EmailEvent", "AdsEvent"), "AVRO"))
    with pytest.raises(SetupError, match=r"ads-value \(differs, incompatible\)"):
        registry.register(registry_url, {}, prefix)
    assert len(client.get_versions(name)) == 1


def test_a_registry_url_without_its_path_has_its_own_error(registry_url: str) -> None:
    """A registry URL without its path gets an error line of its own."""
    with pytest.raises(SetupError, match="lacks a path"):
        registry.lookup(registry_url.removesuffix("/apis/ccompat/v7"), {}, "journey.")


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_the_registry_accepts_changes_that_our_own_check_refuses(
    client: SchemaRegistryClient, prefix: str, changed: dict[str, Any]
) -> None:
    """FULL_TRANSITIVE says that values decode, not that they mean the same. So released schemas have our own check."""
    name = f"{prefix}sample-value"
    client.register_schema(name, Schema(json.dumps(RELEASED), "AVRO"))
    client.set_compatibility(name, registry.COMPATIBILITY)
    assert client.test_compatibility_all_versions(name, Schema(json.dumps(changed), "AVRO"))
