"""The records on the real topics: decoded by the registry's schemas, loaded into a warehouse, queried."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from tests.broker.shop import Shop, open_shop
from tests.downstream.warehouse import opened, query, rows, write_parquet
from tests.support.document_blocks import commands, statements, write_files
from tests.support.schema_pages import newest_edition_sql

from journeys.avro import wire
from journeys.avro.schema import Schema
from journeys.producer import schemas
from journeys.producer.channels import Channels
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.stack import Stack

TUTORIAL = ["1002", "1003", "1004"]
"""The orders of docs/tutorial.md, which docs/consume.md reads."""
ORDERS = [*(f"n30-{number}" for number in range(6)), "x-nullevent-n5-a", *TUTORIAL]
"""Orders whose events are of every channel, one with an item that is no event, and those of the tutorial."""


def decoded(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    """End of a topic's name → its committed records, decoded by confluent-kafka's deserializer."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas.RECORDS}
    with SchemaRegistryClient({"url": shop.stack.registry.url, "timeout": 10}) as client:
        deserialize = AvroDeserializer(client)
        for record in shop.read(*map(shop.topic, found)):
            context = SerializationContext(record.topic, MessageField.VALUE)
            found[record.topic.removeprefix(shop.topic(""))].append(deserialize(record.value, context))
    return found


@pytest.fixture
def shop(stack: Stack, namespace: str) -> Iterator[Shop]:
    """A worker has published each order twice, and the events on `ads` once before under the same editions."""
    with open_shop(stack, namespace) as shop:
        shop.place(*ORDERS, *ORDERS)
        shop.crew.hire()
        shop.until_published(2 * len(ORDERS))
        publish_older_readings(shop, "ads")
        yield shop


def publish_older_readings(shop: Shop, channel: str) -> None:
    """Publish each event of a channel again, as an earlier reading of its edition had it: ten positions later."""
    schema = Schema(schemas.load(schemas.RECORDS[channel]))
    producer = Producer({"bootstrap.servers": shop.stack.broker.bootstrap_servers})
    for record in shop.read(shop.topic(channel)):
        schema_id, body = wire.unframe(record.value or b"")
        datum = schema.decode(body)
        datum["fetched_at"] -= timedelta(milliseconds=1)
        datum["position"] += 10
        producer.produce(record.topic, wire.frame(schema_id, schema.encode(datum)), record.key)
    assert producer.flush(30) == 0


def test_committed_records_are_read_and_queried(shop: Shop, tmp_path: Path) -> None:
    """The reader and the SQL of the documents find each order's newest edition, whole."""
    reader_finds_each_whole_journey(shop, tmp_path)
    tables = {}
    for name, records in decoded(shop).items():
        path = tables[name.replace("-", "_")] = tmp_path / f"{name}.parquet"
        write_parquet(path, schemas.load(schemas.RECORDS[name]), records)
    newest_editions_are_whole(tables)
    models_share_the_revenue(tables)


def reader_finds_each_whole_journey(shop: Shop, directory: Path) -> None:
    """The program of docs/consume.md prints total and channels of each order."""
    write_files("docs/consume.md", directory)
    output = subprocess.check_output(
        [sys.executable, "reader.py"], cwd=directory, env={**os.environ, **shop.crew.environment}, text=True, timeout=60
    )
    printed = dict(line.split(": ", 1) for line in output.splitlines())
    [shown] = [command for command in commands("docs/consume.md") if command.text == "python reader.py"]
    assert shown.output.splitlines() == [f"{order}: {printed[order]}" for order in TUTORIAL]
    channels = Channels()
    assert printed.keys() == {*ORDERS}
    for order, (summary, _) in shop.summaries().items():
        amount, path = printed[order].split(": ")
        events = [event for event in journey_of(order) if isinstance(event, dict)]
        assert path.split(" > ") == [channels.of(event["event_type"]) for event in events]
        if summary["order_total"] is None:
            assert amount == "no total"
        else:
            total, currency = amount.split()
            assert (Decimal(total), currency) == (summary["order_total"], summary["order_currency"])


def newest_editions_are_whole(tables: dict[str, Path]) -> None:
    """Each topic has records. The newest edition of each order, joined with its events, is the whole journey."""
    assert [name for name in tables if not query(f"from {name} limit 1", **tables)] == []
    newest = query(newest_edition_sql(), **tables)
    assert sorted(row["order_id"] for row in newest) == sorted(ORDERS)
    items = " union all ".join(
        f"select account, order_id, edition, fetched_at from {name}"  # noqa: S608 - the names are ours
        for name in tables
        if name != schemas.SUMMARY
    )
    counts = query(
        f"select order_id, count(*) as items from ({items}) join ({newest_edition_sql()}) "  # noqa: S608 - as above
        "using (account, order_id, edition, fetched_at) group by order_id",
        **tables,
    )
    assert {row["order_id"]: row["items"] for row in counts} == {order: len(journey_of(order)) for order in ORDERS}


def models_share_the_revenue(tables: dict[str, Path]) -> None:
    """The SQL of docs/consume.md finds each order whole, and both models share exactly the revenue of the orders."""
    *views, last, linear = statements("docs/consume.md")
    with opened(**tables) as warehouse:
        for view in views:
            warehouse.execute(view.sql)
        assert {row["order_id"] for row in rows(warehouse, "from complete_journeys")} == {*ORDERS}
        revenue = "select currency, round(sum(revenue), 6) as revenue from {} group by currency order by currency"
        expected = rows(warehouse, revenue.format("(from journey_events where step = 1)"))
        assert expected
        assert rows(warehouse, revenue.format(f"({last.sql})")) == expected
        assert rows(warehouse, revenue.format(f"({linear.sql})")) == expected
