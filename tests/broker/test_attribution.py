"""The attribution example on real topics: each committed record is loaded once, also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.broker.dying_loader import BATCH_SIZE
from tests.broker.kafka_tools import committed_offsets, create_topics, end_offsets
from tests.downstream.attribution.journeys import encoded, stand_in_journey

from attribution.database import open_database
from attribution.load import SUMMARY, Row, Source, load, store
from attribution.results import coverage
from journeys.producer import schemas
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.registry import register
from journeys_sandbox.stack.stack import Stack

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "attribution"


@pytest.fixture
def source(stack: Stack, namespace: str) -> Source:
    """Empty topics with their schemas, as `journeys topics create` and `journeys schemas register` leave them."""
    create_topics(
        stack.broker.bootstrap_servers, *(schemas.topic(namespace, end) for end in schemas.RECORDS), partitions=2
    )
    return Source(
        bootstrap_servers=stack.broker.bootstrap_servers,
        registry_url=stack.registry.url,
        prefix=namespace,
        group=f"{namespace}loader",
    )


@pytest.fixture
def publish(source: Source) -> Callable[..., None]:
    """Publishes the stand-in's orders, all in one transaction that commits or aborts."""
    ids = {each.subject: each.schema_id for each in register(source.registry_url, {}, source.prefix)}
    encoder = JourneyEncoder(ids, topic_prefix=source.prefix)
    producer = Producer({"bootstrap.servers": source.bootstrap_servers, "transactional.id": f"{source.prefix}id"})
    producer.init_transactions(30)

    def transaction(orders: Iterable[str], first: int, *, commit: bool = True) -> None:
        producer.begin_transaction()
        for number, order in enumerate(orders, start=first):
            for record in encoder.encode(stand_in_journey(order, number)):
                producer.produce(record.topic, record.value, key=record.key)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    return transaction


def contents(database: duckdb.DuckDBPyConnection) -> list[list[Row]]:
    """All rows of `events` and `summaries`, sorted."""
    return [database.execute(f"from {table} order by all").fetchall() for table in ("events", "summaries")]


def size(database: duckdb.DuckDBPyConnection) -> int:
    """How many records are loaded."""
    return sum(map(len, contents(database)))


def test_a_killed_loader_continues_without_loss_or_doubles(
    source: Source, publish: Callable[..., None], tmp_path: Path
) -> None:
    """It dies after the rows and before the commit of its third batch. The next one has each committed record once."""
    orders = [f"n{number}-{number}" for number in range(1, 21)]
    publish(orders[:10], 0)
    publish(["n30-aborted"], 99, commit=False)
    publish(orders[10:], 10)
    path = tmp_path / "attribution.duckdb"
    done = subprocess.run(  # noqa: S603 - our own program
        [
            *(sys.executable, "-m", "tests.broker.dying_loader"),
            *(str(path), source.bootstrap_servers, source.registry_url, source.prefix),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "services", EXAMPLE, ROOT)))},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    with open_database(path) as loaded, open_database() as expected:
        store(expected, *encoded(orders), {})
        before = size(loaded)
        assert 0 < before <= 2 * BATCH_SIZE
        batches: list[int] = []
        assert load(loaded, source, progress=batches.append) == size(expected) - before == batches[-1]
        assert contents(loaded) == contents(expected)
        assert coverage(loaded).incomplete == 0
        assert load(loaded, source) == 0
        offsets = {(topic, number): offset for topic, number, offset in loaded.execute("from offsets").fetchall()}
        shown = committed_offsets(source.bootstrap_servers, source.group, offsets)
        assert {place: offset for place, (offset, _) in shown.items()} == offsets

        publish(["n3-3"], 50)
        assert load(loaded, source) == 4
        assert (coverage(loaded).orders, coverage(loaded).older_editions) == (20, 1)


def test_the_loader_stops_if_records_are_missing(source: Source, publish: Callable[..., None], namespace: str) -> None:
    """Topics that do not exist, and records that Kafka deleted before they were loaded, are errors."""
    with open_database() as database:
        with pytest.raises(LookupError, match=f"no topic {namespace}absent.summary"):
            load(database, replace(source, prefix=f"{namespace}absent."))
        publish(["n1-1"], 0)
        with pytest.raises(ValueError, match=r"cannot decode the record at .* offset 0: .*refused"):
            load(database, replace(source, registry_url="http://127.0.0.1:1", registry={"max.retries": 0}))
        assert size(database) == 0
        assert load(database, source) == 2
        publish(["n1-1"], 1)
        admin = AdminClient({"bootstrap.servers": source.bootstrap_servers})
        ends = end_offsets(admin, [f"{namespace}{SUMMARY}"])
        places = [TopicPartition(topic, number, end) for (topic, number), end in ends.items()]
        for future in admin.delete_records(places).values():
            future.result(30)
        with pytest.raises(LookupError, match="deleted records that were not loaded"):
            load(database, source)
