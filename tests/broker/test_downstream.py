"""The records on the real topics: decoded by the registry's schemas, loaded into a warehouse, queried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from tests.broker.shop import Shop, open_shop
from tests.downstream.warehouse import query, write_parquet
from tests.support.schema_pages import newest_edition_sql

from journeys.producer import schemas
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.stack import Stack

ORDERS = [*(f"n30-{number}" for number in range(6)), "x-nullevent-n5-a"]
"""Orders whose events are of every channel, and one with an item that is no event."""


def decoded(shop: Shop, name: str) -> list[dict[str, Any]]:
    """The committed records of one topic, by confluent-kafka's deserializer; `name` is the end of the topic's name."""
    topic = shop.topic(name)
    with SchemaRegistryClient({"url": shop.stack.registry.url}) as client:
        deserialize = AvroDeserializer(client)
        context = SerializationContext(topic, MessageField.VALUE)
        return [deserialize(record.value, context) for record in shop.read(topic)]


@pytest.fixture
def tables(stack: Stack, namespace: str, tmp_path: Path) -> dict[str, Path]:
    """End of a topic's name → a Parquet file of its records, after a worker has published each order twice."""
    with open_shop(stack, namespace) as shop:
        shop.place(*ORDERS, *ORDERS)
        shop.crew.hire()
        shop.until_published(2 * len(ORDERS))
        tables = {}
        for name, record in schemas.RECORDS.items():
            tables[name] = tmp_path / f"{name}.parquet"
            write_parquet(tables[name], schemas.load(record), decoded(shop, name))
    return tables


def test_all_topics_are_loaded_and_queried_with_sql(tables: dict[str, Path]) -> None:
    """Each topic has records. The newest edition of each order, joined with its events, is the whole journey."""
    named = {name.replace("-", "_"): path for name, path in tables.items()}
    assert [name for name in named if not query(f"from {name} limit 1", **named)] == []
    newest = query(newest_edition_sql(), **named)
    assert sorted(row["order_id"] for row in newest) == sorted(ORDERS)
    items = " union all ".join(
        f"select account, order_id, edition from {name}"  # noqa: S608 - the names are ours
        for name in named
        if name != schemas.SUMMARY
    )
    counts = query(
        f"select order_id, count(*) as items from ({items}) join ({newest_edition_sql()}) "  # noqa: S608 - as above
        "using (account, order_id, edition) group by order_id",
        **named,
    )
    assert {row["order_id"]: row["items"] for row in counts} == {order: len(journey_of(order)) for order in ORDERS}
