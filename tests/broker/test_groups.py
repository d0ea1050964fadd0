"""A worker that its consumer group refuses says so: it ends with the reason, or waits and names it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.broker.ops import address_of, reasons, stay_healthy, walk
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys.consumer.consumer import OrderConsumer, Partition
from journeys_sandbox.stack.stack import Stack


def config(**more: Any) -> dict[str, str]:
    """The settings of a worker with more properties of librdkafka."""
    return {"JOURNEYS_KAFKA__CONFIG": json.dumps(more)}


def test_static_member_fenced_by_its_twin_ends_the_worker(stack: Stack, namespace: str) -> None:
    """The first worker with the same `group.instance.id` ends with the reason; the other one publishes."""
    with open_shop(stack, namespace) as shop:
        same = config(**{"group.instance.id": "one", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
        first = shop.crew.hire(**same)
        first.until_assigned()
        second = shop.crew.hire(**same)
        assert first.process.wait(60) == 1, first.raw()
        (failed,) = first.lines("worker.failed")
        assert "_FATAL" in failed["reason"]
        assert "group.instance.id" in failed["reason"]
        shop.place("order-1")
        shop.until_published(1)
        assert second.stop() == 0


def test_group_protocol_that_refuses_the_member_id_ends_the_worker(stack: Stack, namespace: str) -> None:
    """With the new protocol, the id of a static member is taken until its session ends: the second worker ends."""
    with open_shop(stack, namespace) as shop:
        same = {**config(**{"group.instance.id": "one"}), "JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer"}
        first = shop.crew.hire(**same)
        first.until_assigned()
        second = shop.crew.hire(**same)
        assert second.process.wait(60) == 1, second.raw()
        (failed,) = second.lines("worker.failed")
        assert "_FATAL" in failed["reason"]
        assert first.process.poll() is None


def test_session_timeout_that_the_brokers_refuse_ends_the_worker(stack: Stack, namespace: str) -> None:
    """The reason names the property."""
    with open_shop(stack, namespace) as shop:
        worker = shop.crew.hire(**config(**{"session.timeout.ms": 3_000_000, "max.poll.interval.ms": 3_000_000}))
        assert worker.process.wait(60) == 1, worker.raw()
        (failed,) = worker.lines("worker.failed")
        assert "session.timeout.ms" in failed["reason"]
        assert "INVALID_SESSION_TIMEOUT" in failed["reason"]


def test_group_held_by_another_kind_of_consumer_is_the_reason(stack: Stack, namespace: str) -> None:
    """The worker waits and names the group; once that consumer is gone, it joins and publishes."""
    with open_shop(stack, namespace) as shop:
        group = f"{namespace}group"
        other = Consumer(
            {
                "bootstrap.servers": stack.broker.bootstrap_servers,
                "group.id": group,
                "partition.assignment.strategy": "range",
            }
        )
        joined: list[object] = []
        other.subscribe([shop.orders], on_assign=lambda _, partitions: joined.append(partitions))
        until(lambda: other.poll(0.1) is not None or bool(joined), "the other consumer to join")
        worker = shop.crew.hire()
        address = address_of(worker)
        found: list[str] = []

        def names_the_group() -> bool:
            other.poll(0)  # keep it in the group
            found[:] = [reasons(address).get("group", "")]
            return "INCONSISTENT_GROUP_PROTOCOL" in found[0]

        until(names_the_group, "the reason in /readyz")
        assert f"{group}: " in found[0]
        assert f"{group}.retry: " not in found[0] or "not a member" in found[0]
        walk("Out of the group", worker, address)
        assert any("consumers of another kind" in line["reason"] for line in worker.lines("group.waiting"))
        other.close()
        shop.place("order-1")
        shop.until_published(1)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        stay_healthy(worker, address)
        assert worker.stop() == 0


class Onlooker:
    """A listener that starts every partition at its beginning."""

    def __init__(self, consumer: OrderConsumer) -> None:
        self.consumer = consumer

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Read them."""
        self.consumer.start(dict.fromkeys(partitions, 0))

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Nothing was read."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Nothing was read."""


def test_member_without_a_partition_has_joined(stack: Stack, namespace: str) -> None:
    """The topic has fewer partitions than the group has members: the last one stands by, and has no obstacle."""
    topic = f"{namespace}orders"
    servers = stack.broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    config = {
        "bootstrap.servers": servers,
        "group.id": f"{namespace}group",
        "partition.assignment.strategy": "cooperative-sticky",
    }
    with ExitStack() as stop:
        consumers = [stop.enter_context(closing(OrderConsumer(config, [topic]))) for _ in range(2)]
        for consumer in consumers:
            consumer.subscribe(Onlooker(consumer))

        def have_joined() -> bool:
            for consumer in consumers:
                consumer.poll(0.1, 1)
            return all(consumer.joined for consumer in consumers)

        until(have_joined, "both to join")
        assert [consumer.obstacle for consumer in consumers] == [None, None]
