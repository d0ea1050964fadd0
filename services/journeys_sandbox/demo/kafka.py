"""The demo's access to Kafka: it writes order messages and reads back the committed records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.request import Request

from confluent_kafka import Producer

from journeys.avro.schema import Schema
from journeys.avro.wire import Decoder, frame
from journeys.errors import HaltError
from journeys.kafka.reader import PartitionReader
from journeys_sandbox.demo.audit import SUMMARY, Published
from journeys_sandbox.stack.local_http import read_json

PREFIX = "journey."
_ORDER_SCHEMA = {"type": "record", "name": "OrderCompleted", "fields": [{"name": "order_id", "type": "string"}]}


def register_order_schema(registry_url: str, topic: str) -> int:
    """Register the schema of Avro order messages, as their producer would. Returns the schema's id."""
    request = Request(  # noqa: S310 - our own registry
        f"{registry_url}/subjects/{topic}-value/versions",
        data=json.dumps({"schema": json.dumps(_ORDER_SCHEMA)}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    return int(read_json(request)["id"])


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


class Summaries:
    """Counts published orders while the workers run."""

    def __init__(self, reader: PartitionReader) -> None:
        self._reader = reader
        self._next = {place: reader.bounds(*place).start for place in reader.partitions(PREFIX + SUMMARY)}
        self._orders: set[bytes | None] = set()

    def count(self) -> int:
        """The number of orders with a summary so far. Raises HaltError if Kafka cannot be read."""
        ends = {place: self._reader.bounds(*place).stop for place in self._next}
        new = {place: range(start, ends[place]) for place, start in self._next.items()}
        self._orders.update(message.key for message in self._reader.read(new))
        self._next = ends
        return len(self._orders)


def open_reader(bootstrap_servers: str) -> PartitionReader:
    """A reader of committed records, to be used in a `with` block."""
    return PartitionReader({"bootstrap.servers": bootstrap_servers, "group.id": "demo-reader", "log_level": 0})


def read_back(bootstrap_servers: str, registry_url: str, topics: Iterable[str]) -> list[Published]:
    """Every committed record of these topics (named without prefix), decoded with its schema from the registry.

    Call it after all writers have ended. Raises HaltError if a partition cannot be read.
    """
    decoder = Decoder(lambda number: str(read_json(f"{registry_url}/schemas/ids/{number}")["schema"]), trusted=True)
    with open_reader(bootstrap_servers) as reader:
        places = [place for topic in topics for place in reader.partitions(PREFIX + topic)]
        return [
            Published(topic=message.position.topic.removeprefix(PREFIX), value=decoder.decode(message.value or b""))
            for message in reader.read({place: reader.bounds(*place) for place in places})
        ]
