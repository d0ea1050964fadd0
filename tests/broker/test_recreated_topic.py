"""An order topic is deleted and created again: a worker says so, and stops until the offsets are set anew."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.broker.kafka_tools import committed_offsets, create_topics
from tests.broker.ops import address_of, reasons
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import Worker, until

from journeys_sandbox.stack.stack import Stack

OLD = [f"old-{number}" for number in range(6)]
NEW = [f"new-{number}" for number in range(12)]


def set_offsets(shop: Shop, offset: int, metadata: str = "") -> None:
    """Commit an offset of all partitions, as an administrator does while the group is empty."""
    consumer = Consumer(
        {"bootstrap.servers": shop.stack.broker.bootstrap_servers, "group.id": f"{shop.namespace}group"}
    )
    consumer.commit(
        offsets=[TopicPartition(shop.orders, number, offset, metadata) for number in range(6)], asynchronous=False
    )
    consumer.close()


def halted(worker: Worker, shop: Shop) -> None:
    """Wait for exit code 1, and check the reason and the remedy."""
    assert worker.process.wait(30) == 1, worker.raw()
    [failed] = worker.lines("worker.failed")
    assert f"{shop.orders} was deleted and created again" in failed["reason"]
    assert failed["remedy"] == (
        f"kafka-consumer-groups --bootstrap-server {shop.stack.broker.bootstrap_servers} --group {shop.namespace}group"
        f" --topic {shop.orders} --reset-offsets --to-earliest --execute"
    )


def test_recreated_order_topic_stops_workers_until_the_offsets_are_reset(stack: Stack, namespace: str) -> None:
    """While it is away, /readyz says so. With old offsets a restart stops, too. After a reset no order is skipped."""
    with open_shop(stack, namespace) as shop:
        servers = stack.broker.bootstrap_servers
        worker = shop.crew.hire()
        worker.until_assigned()
        address = address_of(worker)
        shop.place(*OLD)
        shop.until_published(len(OLD))
        (_, metadata), *_ = committed_offsets(servers, f"{namespace}group", [(shop.orders, 0)]).values()
        admin = AdminClient({"bootstrap.servers": servers})
        admin.delete_topics([shop.orders])[shop.orders].result()
        until(lambda: f"{shop.orders} does not exist" in reasons(address).get("topic", ""), "the topic in /readyz")
        create_topics(servers, shop.orders)
        shop.place(*NEW)
        halted(worker, shop)
        [missing] = worker.lines("topic.missing")
        assert (missing["topic"], missing["remedy"]) == (shop.orders, "journeys topics create")

        set_offsets(shop, 1, metadata)
        halted(shop.crew.hire(), shop)

        set_offsets(shop, 0)
        last = shop.crew.hire()
        until(lambda: shop.summaries().keys() == {*OLD, *NEW}, "a summary of each order")
        assert last.stop() == 0
