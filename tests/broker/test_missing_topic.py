"""A worker whose topic takes no records names it, publishes nothing, and continues by itself."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic
from tests.broker.absent_broker import ABSENT, register_absent
from tests.broker.ops import address_of, reasons, walk
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys_sandbox.stack.stack import Stack


@pytest.mark.parametrize("own_stack", [{"auto.create.topics.enable": "true"}], indirect=True)
def test_topic_that_takes_no_records_is_named_until_it_does(own_stack: Stack, namespace: str) -> None:
    """First its replicas in sync are too few. Then it is deleted, and stays away until `topics create`.

    The brokers create topics on demand. The topic of summaries has a replica on a broker that never runs.
    """
    admin = AdminClient({"bootstrap.servers": own_stack.broker.bootstrap_servers})
    register_absent(own_stack.broker, admin.describe_cluster().result().cluster_id)
    topic = f"{namespace}journey.summary"
    new = NewTopic(topic, num_partitions=6, replica_assignment=[[1, ABSENT]] * 6)
    admin.create_topics([new])[topic].result()
    with open_shop(own_stack, namespace) as shop:
        worker = shop.crew.hire()
        worker.until_assigned()
        address = address_of(worker)

        require_in_sync(admin, topic, 2)
        shop.place("order-1", "n2-order-2")
        too_few = f"{topic}/0 has 1 of 2 replicas in sync; Kafka takes no records"
        until(lambda: too_few in reasons(address).get("producer", ""), "the replicas in /readyz")
        assert too_few in worker.until("kafka.unreachable")[0]["reason"]
        assert shop.read(topic) == []
        require_in_sync(admin, topic, 1)
        shop.until_published(2)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        shop.audit(["order-1", "n2-order-2"])

        admin.delete_topics([topic])[topic].result()
        shop.place("order-3")
        until(lambda: topic in reasons(address).get("topic", ""), "the topic in /readyz")
        assert worker.until("topic.missing")[0]["remedy"] == "journeys topics create"
        walk("A topic takes no records", worker, address)
        assert topic not in admin.list_topics(timeout=10).topics
        shop.crew.setup("topics", "create")
        shop.until_published(1)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        assert worker.stop() == 0
        [summary] = shop.summaries()["order-3"]
        shop.audit_order("order-3", shop.events()["order-3"], summary)


def require_in_sync(admin: AdminClient, topic: str, replicas: int) -> None:
    """Set how many replicas must be in sync before the topic takes records."""
    entry = ConfigEntry("min.insync.replicas", str(replicas), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result()
