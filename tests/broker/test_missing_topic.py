"""A worker whose topic is deleted names it, and does not create it again by itself."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from tests.broker.ops import address_of, reasons, walk
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys_sandbox.stack.stack import Stack


@pytest.mark.parametrize("own_stack", [{"auto.create.topics.enable": "true"}], indirect=True)
def test_deleted_journey_topic_is_named_and_comes_back_by_our_command(own_stack: Stack, namespace: str) -> None:
    """The topic stays away, although the brokers create topics on demand; `topics create` ends the trouble."""
    with open_shop(own_stack, namespace) as shop:
        worker = shop.crew.hire()
        worker.until_assigned()
        address = address_of(worker)
        missing = shop.topic("summary")
        admin = AdminClient({"bootstrap.servers": own_stack.broker.bootstrap_servers})
        admin.delete_topics([missing])[missing].result()
        shop.place("order-1")
        until(lambda: missing in reasons(address).get("topic", ""), "the topic in /readyz")
        assert worker.until("topic.missing")[0]["remedy"] == "journeys topics create"
        walk("A topic takes no records", worker, address)
        assert missing not in admin.list_topics(timeout=10).topics
        shop.crew.setup("topics", "create")
        shop.until_published(1)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        assert worker.stop() == 0
        shop.audit(["order-1"])
