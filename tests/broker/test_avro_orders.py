"""Order messages in Avro, whose schemas come from a real registry."""

from __future__ import annotations

import json

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys.avro import wire
from journeys.avro.schema import Schema as OurSchema
from journeys_sandbox.stack.stack import Stack

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "order_id", "type": "string"}]}
LIST = {"type": "record", "name": "List", "fields": [{"name": "next", "type": ["null", "List"]}]}
NULLS = {"type": "record", "name": "Nulls", "fields": [{"name": "all", "type": {"type": "array", "items": "null"}}]}


def test_avro_orders_with_unknown_or_unsafe_schemas_are_dead_letters(stack: Stack, namespace: str) -> None:
    """Good orders are published; a message with an unknown or unsafe schema is a dead letter, which can be listed."""
    good = [f"n1-{number}" for number in range(50)]
    with (
        open_shop(stack, namespace, environment={"JOURNEYS_ORDERS__FLOOD_RUN": "0"}) as shop,
        SchemaRegistryClient({"url": stack.registry.url, "timeout": 10}) as registry,
    ):
        order, endless, nulls = (
            registry.register_schema(f"{namespace}{schema['name']}", Schema(json.dumps(schema), "AVRO"))
            for schema in (ORDER, LIST, NULLS)
        )
        bad = [
            wire.frame(endless, b"\x02" * 900_000),
            wire.frame(nulls, b"\x80\x80\x80\x80\x10\x00"),
            wire.frame(2**31 - 1, b""),
            b"\x00\xff\xff\xff\xff",
        ]
        shop.place(*bad, *(wire.frame(order, OurSchema(ORDER).encode({"order_id": name})) for name in good))
        worker = shop.crew.hire()
        shop.until_published(len(good))
        until(lambda: len(shop.read(shop.dead_letters)) >= len(bad), "the dead letters")
        assert worker.stop() == 0
        shop.audit(good)
        letters = shop.read(shop.dead_letters)
        assert {letter.value: letter.header("error-reason") for letter in letters} == dict.fromkeys(
            bad, "message-unreadable"
        )
        shop.crew.setup("dead-letters", "list")
