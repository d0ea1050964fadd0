"""Offsets that a worker must not start from: it ends with one line of reason, and hangs nowhere."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition
from tests.broker.ops import walk_end
from tests.broker.shop import open_shop

from journeys_sandbox.stack.stack import Stack


def test_a_group_without_offsets_follows_the_start_setting(stack: Stack, namespace: str) -> None:
    """`error` ends the worker before it joins. `latest` skips the orders before the start, and says so."""
    with open_shop(stack, namespace) as shop:
        shop.place("old")
        worker = shop.crew.hire(JOURNEYS_ORDERS__START="error")
        assert worker.process.wait(30) == 1, worker.raw()
        (failed,) = worker.lines("worker.failed")
        assert "JOURNEYS_ORDERS__START is error" in failed["reason"]
        assert "Traceback" not in worker.raw()
        assert worker.lines("worker.started") == []
        worker = shop.crew.hire(JOURNEYS_ORDERS__START="latest")
        [line] = worker.until("orders.start_at_end")
        assert line["topics"] == [shop.orders]
        shop.place("new")
        shop.until_published(1)
        assert list(shop.summaries()) == ["new"]


def test_an_offset_map_of_a_later_version_stops_the_worker(stack: Stack, namespace: str) -> None:
    """Going on without the map would publish finished orders again. The error leaves the assignment through poll."""
    with open_shop(stack, namespace) as shop:
        config = {"bootstrap.servers": stack.broker.bootstrap_servers, "group.id": f"{namespace}group"}
        consumer = Consumer(config)
        consumer.commit(offsets=[TopicPartition(shop.orders, 0, 0, "9zAAAA")], asynchronous=False)
        consumer.close()
        worker = shop.crew.hire()
        walk_end("The map cannot be read", worker)
        assert "Traceback" not in worker.raw()
