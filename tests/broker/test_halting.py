"""Offsets that a worker must not start from: it ends with one line of reason, and hangs nowhere."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.broker.kafka_tools import committed_offsets, end_offsets
from tests.broker.ops import walk_end
from tests.broker.shop import open_shop
from tests.broker.workers import until

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


def test_a_quiet_retry_tier_outlives_its_retention(stack: Stack, namespace: str) -> None:
    """Its last record is a transaction marker. The group's offset stands behind it, so it is never out of range."""
    environment = {"JOURNEYS_ORDERS__RETRY_TIERS": "1s", "JOURNEYS_API__EMPTY_AFTER": "1s"}
    with open_shop(stack, namespace, environment=environment) as shop:
        servers = stack.broker.bootstrap_servers
        admin = AdminClient({"bootstrap.servers": servers})
        shop.place("x-404x1-tried-again")
        worker = shop.crew.hire()
        shop.until_published(1)
        ends = end_offsets(admin, shop.tiers)
        [(tier, end)] = [(place, end) for place, end in ends.items() if end]
        until(
            lambda: committed_offsets(servers, f"{namespace}group.retry", [tier]).get(tier, (0, ""))[0] == end,
            "the offset behind the marker",
        )
        assert worker.stop() == 0
        for future in admin.delete_records([TopicPartition(*tier, end)]).values():
            future.result(30)
        shop.crew.hire()
        shop.place("later")
        shop.until_published(2)
