"""The configuration of librdkafka's consumer and producer."""

from __future__ import annotations

import json

import pytest

from journeys.kafka.config import STATISTICS, consumer_config, membership, order_producer_config, producer_config
from journeys.settings import Settings, load


def settings(**more: str) -> Settings:
    """Settings with these variables of JOURNEYS_KAFKA__."""
    required = {"JOURNEYS_API__BASE_URL": "http://api.test", "JOURNEYS_API__KEY": "k"}
    return load(None, required | {f"JOURNEYS_KAFKA__{name}": value for name, value in more.items()})


def test_the_consumer_never_commits_stores_or_resets_offsets_by_itself() -> None:
    """Offsets are committed in transactions only, and a group without offsets halts the worker."""
    config = consumer_config(settings(), group_id="orders")
    assert (config["group.id"], config["isolation.level"], config["auto.offset.reset"]) == (
        "orders",
        "read_committed",
        "error",
    )
    assert (config["enable.auto.commit"], config["enable.auto.offset.store"]) == (False, False)


@pytest.mark.parametrize(("protocol", "strategy"), [("classic", "cooperative-sticky"), ("consumer", None)])
def test_rebalances_are_cooperative_in_either_group_protocol(protocol: str, strategy: str | None) -> None:
    """KIP-848 is cooperative by itself; librdkafka refuses a strategy there."""
    config = consumer_config(settings(GROUP_PROTOCOL=protocol), group_id="orders")
    assert config.get("partition.assignment.strategy") == strategy


def test_the_producer_is_transactional_and_no_record_outlives_its_transaction() -> None:
    """The transactional id names group and instance, so that a successor fences its predecessor."""
    config = producer_config(settings(GROUP_ID="orders", TRANSACTION_TIMEOUT="7s"), instance_id="pod-1")
    assert config["transactional.id"] == "orders-pod-1"
    assert config["transaction.timeout.ms"] == config["message.timeout.ms"] == 7000
    assert (config["enable.idempotence"], config["acks"]) == (True, "all")
    assert config["partitioner"] == "murmur2_random", "an order's key leads to the partition that Java's clients choose"


def test_the_users_properties_replace_our_tuning() -> None:
    """They come before the properties that exactly-once depends on, which `settings` refuses to the user."""
    chosen = settings(CONFIG=json.dumps({"queued.min.messages": 7, "linger.ms": 5, "compression.type": "zstd"}))
    assert consumer_config(chosen, group_id="g")["queued.min.messages"] == 7
    config = producer_config(chosen, instance_id="i")
    assert (config["linger.ms"], config["compression.type"]) == (5, "zstd")


def test_statistics_are_the_workers_alone_and_their_interval_may_be_the_users() -> None:
    """The commands have no use for them. 0 turns them off."""
    assert "statistics.interval.ms" not in producer_config(settings(), instance_id="doctor")
    off = settings(CONFIG='{"statistics.interval.ms": 0}')
    assert (STATISTICS | producer_config(off, instance_id="i"))["statistics.interval.ms"] == 0


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_instance_id_is_the_client_id_of_a_member(protocol: str) -> None:
    """Kafka shows it, so that a duplicated one is seen. The user's own client id wins."""
    named = settings(GROUP_PROTOCOL=protocol, INSTANCE_ID="pod-1")
    assert (membership(named) | consumer_config(named, group_id="g"))["client.id"] == "pod-1"
    own = settings(GROUP_PROTOCOL=protocol, INSTANCE_ID="pod-1", CONFIG='{"client.id": "mine"}')
    assert (membership(own) | consumer_config(own, group_id="g"))["client.id"] == "mine"


def test_killed_member_is_replaced_after_20_s_unless_it_is_static() -> None:
    """A static member has 45 s to restart. The user's own time-out wins, and KIP-848 leaves it to the broker."""
    assert membership(settings()) == {"session.timeout.ms": 20_000, "heartbeat.interval.ms": 1_500}
    static = membership(settings(STATIC="true", INSTANCE_ID="pod-1"))
    assert (static["session.timeout.ms"], static["group.instance.id"]) == (45_000, "pod-1")
    assert membership(settings(GROUP_PROTOCOL="consumer")) == {}
    own = settings(CONFIG='{"session.timeout.ms": 9000}')
    assert (membership(own) | consumer_config(own, group_id="g"))["session.timeout.ms"] == 9000


def test_the_producer_of_order_messages_is_idempotent_and_partitions_as_the_worker() -> None:
    """It has no transaction: an order message stands alone. The user's tuning comes before."""
    config = order_producer_config(settings(CONFIG='{"linger.ms": 5}'))
    assert (config["enable.idempotence"], config["acks"], config["partitioner"]) == (True, "all", "murmur2_random")
    assert (config["linger.ms"], "transactional.id" in config) == (5, False)
