"""The demo's access to Kafka: it writes order messages and reads back the committed records."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from journeys.avro.schema import Schema
from journeys.avro.wire import Decoder, frame
from journeys.errors import HaltError
from journeys.producer.registry import schema_text
from journeys_sandbox.demo.audit import Published

PREFIX = "journey."
_ORDER_SCHEMA = {"type": "record", "name": "OrderCompleted", "fields": [{"name": "order_id", "type": "string"}]}


def register_order_schema(registry_url: str, topic: str) -> int:
    """Register the schema of Avro order messages, as their producer would. Returns the schema's id."""
    request = urllib.request.Request(  # noqa: S310 - our own registry
        f"{registry_url}/subjects/{topic}-value/versions",
        data=json.dumps({"schema": json.dumps(_ORDER_SCHEMA)}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return int(json.load(answer)["id"])


def place_orders(bootstrap_servers: str, topic: str, orders: Sequence[str], schema_id: int) -> None:
    """Write order messages, in the three formats by turns. Raises HaltError if Kafka does not acknowledge one."""
    schema = Schema(_ORDER_SCHEMA)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "log_level": 0})
    for number, order_id in enumerate(orders):
        forms = (
            order_id.encode(),
            json.dumps({"order_id": order_id, "shop": "demo"}).encode(),
            frame(schema_id, schema.encode({"order_id": order_id})),
        )
        producer.produce(topic, key=order_id.encode(), value=forms[number % len(forms)])
    if left := producer.flush(30):
        raise HaltError(f"{left} order messages could not be written")


@contextmanager
def reader(bootstrap_servers: str, topics: Iterable[str]) -> Iterator[Consumer]:
    """A read_committed consumer at the beginning of every partition. It commits no offsets."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "demo-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        known = consumer.list_topics(timeout=10).topics
        consumer.assign(
            [TopicPartition(topic, number, OFFSET_BEGINNING) for topic in topics for number in known[topic].partitions]
        )
        yield consumer
    finally:
        consumer.close()


class Summaries:
    """Counts published orders while the workers run."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._orders: set[Any] = set()

    def count(self, wait: float) -> int:
        """The number of orders with a summary so far. Waits at most `wait` seconds for more."""
        for message in self._consumer.consume(500, timeout=wait):
            if message.error() is None:
                self._orders.add(message.key())
        return len(self._orders)


def read_back(bootstrap_servers: str, registry_url: str, topics: Iterable[str]) -> list[Published]:
    """Every committed record of these topics (named without prefix), decoded with its schema from the registry.

    Call it after all writers have ended. Raises KafkaException if a partition cannot be read.
    """
    decoder = Decoder(lambda schema_id: schema_text(registry_url, {}, schema_id))
    records: list[Published] = []
    with reader(bootstrap_servers, [PREFIX + topic for topic in topics]) as consumer:
        left = {(place.topic, place.partition) for place in consumer.assignment()}
        while left:
            for message in consumer.consume(1000, timeout=0.2):
                topic, error, value = message.topic() or "", message.error(), message.value()
                if error is None and isinstance(value, bytes):
                    records.append(Published(topic=topic.removeprefix(PREFIX), value=decoder.decode(value)))
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    left.discard((topic, message.partition() or 0))
                elif error is not None:
                    raise KafkaException(error)
    return records
