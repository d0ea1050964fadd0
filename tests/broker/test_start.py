"""The start of a group without offsets, on a real broker, with both group protocols."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from tests.broker.kafka_tools import create_topics, produce_orders
from tests.broker.workers import until

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.errors import HaltError
from journeys.kafka.admin import KafkaAdmin
from journeys.settings import Settings, load
from journeys.worker.assembly import make_consumers
from journeys.worker.happenings import Hooks
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.topic_watch import TopicWatch
from journeys.worker.start import decide_start


class Follower:
    """Follows the rebalances of a worker that publishes nothing."""

    def __init__(self, assignments: Assignments) -> None:
        self._assignments = assignments

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Read them from the committed offsets."""
        self._assignments.take_over(partitions)

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Read them no longer."""
        self._assignments.forget(partitions)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Read them no longer."""
        self._assignments.forget(partitions)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_latest_starts_at_the_ends_once(bootstrap_servers: str, namespace: str, protocol: str) -> None:
    """Orders before the first start are skipped, and no others: not those of a partition that was added later.

    A group with members does not start at the end of another topic: one of them may be reading it already.
    """
    topic, other = f"{namespace}orders", f"{namespace}other"
    create_topics(bootstrap_servers, topic, other, partitions=2)

    def settings(start: str, *topics: str) -> Settings:
        return load(
            None,
            {
                "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
                "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}group",
                "JOURNEYS_KAFKA__GROUP_PROTOCOL": protocol,
                "JOURNEYS_KAFKA__CONFIG": '{"topic.metadata.refresh.interval.ms": 300}',
                "JOURNEYS_ORDERS__TOPICS": ",".join(topics),
                "JOURNEYS_ORDERS__START": start,
                "JOURNEYS_ORDERS__RETRY_TIERS": "[]",
            },
        )

    produce_orders(bootstrap_servers, topic, ["old-1", "old-2"], partitions=2)
    with pytest.raises(HaltError, match=r"no offset in .*orders, and JOURNEYS_ORDERS__START is error"):
        decide_start(settings("error", topic))
    assert decide_start(settings("latest", topic)) == [topic]
    produce_orders(bootstrap_servers, topic, ["new-1", "new-2"], partitions=2)
    assert decide_start(settings("latest", topic)) == []
    assert decide_start(settings("error", topic)) == []
    read: list[bytes | None] = []
    with closing(make_consumers(settings("latest", topic))) as consumers:
        topics = TopicWatch(
            KafkaAdmin(settings("latest", topic)).ask_ids,
            groups=consumers.group_by_topic,
            servers=bootstrap_servers,
            hooks=Hooks(),
            clock=Clock(),
        )
        topics.ask_and_wait()
        clock = Clock()
        assignments = Assignments(consumers, topics, map_limit=4000, clock=clock)
        consumers.subscribe(Follower(assignments))

        def have_come(count: int) -> bool:
            assignments.ask_again(clock.monotonic())  # Kafka may not tell an offset within the time of a rebalance
            read.extend(message.value for message in consumers.poll(0.1, 10))
            return len(read) >= count

        until(lambda: have_come(2), "the orders after the start")
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
        until(lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3, "the added partition")
        produce_orders(bootstrap_servers, topic, ["new-3", "new-4", "new-5"], partitions=3)
        until(lambda: have_come(5), "the orders in the added partition, too")
        with pytest.raises(HaltError, match=r"no offset in .*other, .*UNKNOWN_MEMBER_ID.*: stop all workers once"):
            decide_start(settings("latest", topic, other))
    assert set(read) == {b"new-1", b"new-2", b"new-3", b"new-4", b"new-5"}
    assert len(read) == 5
