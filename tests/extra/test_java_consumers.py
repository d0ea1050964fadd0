"""Java's consumers of the topics: the program of docs/consume.md, and Kafka Connect as docs/warehouse.md sets it up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from tests.broker.kafka_tools import Read, create_topics, produce_orders
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import until
from tests.support.document_blocks import commands, write_files
from tests.support.shared_stack import shared_stack

from journeys.model import Json
from journeys.producer import schemas
from journeys.producer.registry import register
from journeys_sandbox.stack import artifacts
from journeys_sandbox.stack.processes import free_ports

JAVA = Path(__file__).parent / "java"
ORDERS = [*(f"n30-{number}" for number in range(6)), "x-nullevent-n5-a", "1003"]
"""Orders whose events are of every channel, one with an item that is no event, and one of docs/consume.md."""
Record: TypeAlias = tuple[str, str, dict[str, Any]]
"""Topic, key and value."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

pytestmark = [
    pytest.mark.extra,
    pytest.mark.timeout(900),  # the first run downloads
    pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK: javac is not on the PATH"),
]


@pytest.fixture(scope="module")
def class_path() -> str:
    """The jars of Kafka Connect and of Apicurio's converter; Kafka's client and Avro are among them."""
    cache = artifacts.cache_directory()
    pins = artifacts.parse_pins((JAVA / "connect.txt").read_text())
    with artifacts._locked(cache):
        jars = artifacts.fetch_all(pins, cache / "files", "Kafka Connect", None)
    return os.pathsep.join(map(str, jars))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A worker has published each order twice. Between the two, all records were sent again and aborted.

    Each aborted record lies below a committed one of its partition, so a consumer of all committed records passes it.
    """
    with shared_stack(tmp_path_factory.getbasetemp()) as stack:
        register(stack.registry.url, {}, "java.removed.")
        with open_shop(stack, "java.") as shop:
            remove(stack.registry.url, "java.removed.")
            shop.crew.hire()
            shop.place(*ORDERS)
            shop.until_published(len(ORDERS))
            abort(shop, committed(shop))
            shop.place(*ORDERS)
            shop.until_published(2 * len(ORDERS))
            yield shop


def remove(registry_url: str, prefix: str) -> None:
    """Delete the subjects that had our schemas first. Apicurio's content ids stay; their global ids are gone."""
    with SchemaRegistryClient({"url": registry_url, "timeout": 10}) as client:
        for name in schemas.RECORDS:
            for permanent in (False, True):
                client.delete_subject(schemas.subject(prefix, name), permanent=permanent)


def committed(shop: Shop) -> list[Read]:
    """All committed records of the ten topics."""
    return shop.read(*map(shop.topic, schemas.RECORDS))


def abort(shop: Shop, records: list[Read]) -> None:
    """Produce copies of the records in a transaction, and abort it."""
    bootstrap_servers = shop.stack.broker.bootstrap_servers
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": "aborts"})
    producer.init_transactions()
    producer.begin_transaction()
    for record in records:
        producer.produce(record.topic, record.value, record.key, record.partition)
    assert producer.flush(30) == 0
    producer.abort_transaction()


@contextmanager
def running(log: Path, *command: str | Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a command with its output in a file while the block runs. If the block fails, show the file's end."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the tests' own command
            [*map(str, command)], env={**os.environ, **(environment or {})}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield
        except AssertionError as error:
            error.add_note(log.read_text()[-6000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def until_lines(count: int, path: Path) -> list[str]:
    """The lines of a file, once it has at least as many."""
    until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, f"{count} lines in {path.name}")
    return path.read_text().splitlines()


def test_java_reader_prints_each_committed_record(shop: Shop, class_path: str, tmp_path: Path) -> None:
    """The program of docs/consume.md prints topic, order and position of every committed record, and no other.

    It leaves out a topic of orders under the same prefix.
    """
    create_topics(shop.stack.broker.bootstrap_servers, shop.topic("completed"), partitions=1)
    produce_orders(shop.stack.broker.bootstrap_servers, shop.topic("completed"), ORDERS, partitions=1)
    write_files("docs/consume.md", tmp_path)
    expected = [
        f"{record.topic} {(record.key or b'').decode()} {record.header('position') or '-'}"
        for record in committed(shop)
    ]
    output = tmp_path / "output.txt"
    command = ("java", "-cp", class_path, tmp_path / "Reader.java")
    with running(output, *command, environment=shop.crew.environment):
        until_lines(len(expected), output)
    printed = [line for line in output.read_text().splitlines() if line.startswith(shop.topic(""))]
    assert sorted(printed) == sorted(expected)
    [shown] = [command for command in commands("docs/consume.md") if command.text.startswith("java")]
    *lines, rest = shown.output.splitlines()
    assert rest == "…"
    assert {line.replace("journey.", shop.topic("")) for line in lines} <= {*printed}


def test_kafka_connect_converts_each_committed_record(shop: Shop, class_path: str, tmp_path: Path) -> None:
    """With the page's settings, Connect hands every committed record to a sink, its values unchanged.

    A second connector lacks `isolation.level`, and so it gets the aborted records as well.
    """
    expected = sorted(decoded(shop), key=position)
    aborted = len(expected) // 2
    settings = page_settings(shop, tmp_path)
    files = [tmp_path / name for name in ("committed.jsonl", "uncommitted.jsonl")]
    connectors = [write_connector(path, settings) for path in files]
    connectors[1].write_text(connectors[1].read_text().replace("consumer.override.isolation.level", "unused"))
    run("javac", "-cp", class_path, "-d", tmp_path / "classes", JAVA / "ToJson.java")
    every_jar = f"{class_path}{os.pathsep}{tmp_path / 'classes'}"
    main = "org.apache.kafka.connect.cli.ConnectStandalone"
    with running(tmp_path / "connect.log", "java", "-cp", every_jar, main, worker(shop, tmp_path), *connectors):
        until_lines(len(expected) + aborted, files[1])
        until_lines(len(expected), files[0])
    assert sorted(map(converted, files[0].read_text().splitlines()), key=position) == expected
    assert len(files[1].read_text().splitlines()) == len(expected) + aborted


def run(*command: str | Path) -> None:
    """Run a command that succeeds; the output of one that fails is shown."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)  # noqa: S603 - tests' own
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def page_settings(shop: Shop, directory: Path) -> str:
    """The settings that docs/warehouse.md has for every connector, with the names and addresses of this shop."""
    write_files("docs/warehouse.md", directory)
    text = (directory / "journeys.properties").read_text()
    registry = shop.stack.registry.url.removesuffix("/apis/ccompat/v7")
    return text.replace("http://localhost:8081", registry).replace("journey.", shop.topic(""))


def write_connector(output: Path, settings: str) -> Path:
    """Write the settings of a connector that writes each record as a line of JSON into the file `output`."""
    path = output.with_suffix(".properties")
    own = {
        "name": output.stem,
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "file": str(output),
        "transforms": "json",
        "transforms.json.type": "ToJson",
    }
    path.write_text(settings + "".join(f"{name}={value}\n" for name, value in own.items()))
    return path


def worker(shop: Shop, directory: Path) -> Path:
    """Write the settings of a standalone worker of Connect."""
    path = directory / "worker.properties"
    own = {
        "bootstrap.servers": shop.stack.broker.bootstrap_servers,
        "listeners": f"http://127.0.0.1:{free_ports(1)[0]}",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": str(directory / "offsets"),
        "offset.flush.interval.ms": "500",  # the file sink writes its lines then
    }
    path.write_text("".join(f"{name}={value}\n" for name, value in own.items()))
    return path


def decoded(shop: Shop) -> Iterator[Record]:
    """Each committed record, decoded by fastavro."""
    for record in committed(shop):
        yield record.topic, (record.key or b"").decode(), shop.decoder.decode(record.value or b"")


def converted(line: str) -> Record:
    """A record that Connect has converted and written as a line of JSON."""
    record = json.loads(line, parse_float=Decimal)
    return record["topic"], record["key"], of_connect(record["value"]["schema"], record["value"]["payload"])


def position(record: Record) -> tuple[str, str, str, int]:
    """What tells a committed record from all others: topic, key, edition and, unless it is a summary, position."""
    topic, key, value = record
    return topic, key, value["edition"], value.get("position", -1)


def of_connect(schema: Json, payload: Any) -> Any:
    """A value in Python, typed by the schema that Connect has for it. Raises KeyError for a type we never publish."""
    if payload is None:
        assert schema["optional"]
        return None
    match schema:
        case {"type": "struct", "fields": fields}:
            return {field["field"]: of_connect(field, payload[field["field"]]) for field in fields}
        case {"type": "array", "items": items}:
            return [of_connect(items, item) for item in payload]
        case {"type": "map", "values": values}:
            return {key: of_connect(values, item) for key, item in payload.items()}
    return leaf(schema, payload)


def leaf(schema: Json, payload: Any) -> Any:
    """A text, number, boolean, amount or time."""
    match schema:
        case {"name": "org.apache.kafka.connect.data.Decimal", "parameters": parameters}:
            assert parameters == {"scale": "9", "connect.decimal.precision": "38"}
            return Decimal(payload)
        case {"name": "org.apache.kafka.connect.data.Timestamp"}:
            return EPOCH + timedelta(milliseconds=payload)
    return {"string": str, "int64": int, "boolean": bool}[schema["type"]](payload)
