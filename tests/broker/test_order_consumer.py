"""The consumer of orders at the edge of a rebalance, on a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.broker.kafka_tools import produce_orders
from tests.broker.workers import until

from journeys.consumer.consumer import OrderConsumer, Partition
from journeys.model import OrderMessage


class Onlooker:
    """A listener that leaves every partition alone: the test takes them over by hand."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing."""

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Nothing."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Nothing."""


@contextmanager
def source(bootstrap_servers: str, namespace: str) -> Iterator[OrderConsumer]:
    """A source that is in no group's way: its partition is given and taken by the test."""
    topic = f"{namespace}orders"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    produce_orders(bootstrap_servers, topic, ["one", "two", "three"], partitions=1)
    config = {
        "bootstrap.servers": bootstrap_servers,
        "group.id": f"{namespace}group",
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "partition.assignment.strategy": "cooperative-sticky",
    }
    with closing(OrderConsumer(config, [f"{namespace}other"])) as made:
        made.subscribe(Onlooker())
        yield made


def read(orders: OrderConsumer, count: int) -> list[OrderMessage]:
    """The next messages, as many as asked for."""
    found: list[OrderMessage] = []

    def there() -> bool:
        found.extend(orders.poll(0.1, count - len(found)))
        return len(found) >= count

    until(there, f"{count} messages")
    return found


@pytest.mark.parametrize(
    "stop",
    [
        lambda orders, at: (orders.start({at: 0}), orders.pause([at])),
        lambda orders, at: orders.hold([at]),
    ],
    ids=["paused", "held"],
)
def test_a_partition_revoked_while_paused_is_read_when_assigned_again(
    bootstrap_servers: str, namespace: str, stop: Callable[[OrderConsumer, Partition], object]
) -> None:
    """Librdkafka remembers a pause across a rebalance, so the consumer must resume what it is assigned."""
    at = (f"{namespace}orders", 0)
    with source(bootstrap_servers, namespace) as orders:
        stop(orders, at)
        orders._give_up(orders._consumer.assignment())
        orders.start({at: 1})
        assert [message.value for message in read(orders, 2)] == [b"two", b"three"]
