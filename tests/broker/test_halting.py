"""What stops a worker from inside a rebalance: it ends with one line of reason, and hangs nowhere."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition
from tests.broker.shop import open_shop

from journeys_sandbox.stack.stack import Stack


def test_a_group_without_offsets_stops_the_worker(stack: Stack, namespace: str) -> None:
    """The error raised in the assignment callback leaves through poll and ends the worker."""
    with open_shop(stack, namespace) as shop:
        worker = shop.crew.hire(JOURNEYS_ORDERS__START="error")
        assert worker.process.wait(30) == 1, worker.raw()
        (failed,) = worker.lines("worker.failed")
        assert "JOURNEYS_ORDERS__START is error" in failed["reason"]
        assert "Traceback" not in worker.raw()


def test_an_offset_map_of_a_later_version_stops_the_worker(stack: Stack, namespace: str) -> None:
    """Going on without the map would publish finished orders again."""
    with open_shop(stack, namespace) as shop:
        config = {"bootstrap.servers": stack.broker.bootstrap_servers, "group.id": f"{namespace}group"}
        consumer = Consumer(config)
        consumer.commit(offsets=[TopicPartition(shop.orders, 0, 0, "9zAAAA")], asynchronous=False)
        consumer.close()
        worker = shop.crew.hire()
        assert worker.process.wait(30) == 1, worker.raw()
        (failed,) = worker.lines("worker.failed")
        assert "offset map" in failed["reason"]
        assert "Traceback" not in worker.raw()
