"""Weeks of a worker's life, in seconds: it recovers in the process, and loses and doubles nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.broker.shop import KEY, open_shop
from tests.broker.test_transactions import Meddler, work
from tests.broker.workers import until

from journeys.model import GroupOffsets, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.stack.stack import Stack

FORGETFUL = {
    "transactional.id.expiration.ms": "1500",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
    "producer.id.expiration.ms": "1500",
    "producer.id.expiration.check.interval.ms": "500",
}
"""The broker's periods of a week, cut to seconds."""


def names(first: int, count: int) -> list[str]:
    """Order ids."""
    return [f"n4-order-{number}" for number in range(first, first + count)]


# -- idle for longer than Kafka remembers a producer


@pytest.mark.slow
@pytest.mark.parametrize("own_stack", [FORGETFUL], indirect=True)
def test_an_expired_transactional_id_does_not_stop_the_worker(own_stack: Stack, namespace: str) -> None:
    """The broker dropped the idle worker's transactional id: the worker publishes the next orders, each once."""
    environment = {"JOURNEYS_KAFKA__INSTANCE_ID": "idler", "JOURNEYS_KAFKA__TRANSACTION_TIMEOUT": "1s"}
    with open_shop(own_stack, namespace, environment=environment) as shop:
        worker = shop.crew.hire()
        worker.until_assigned()
        orders = names(0, 50)
        shop.place(*orders)
        shop.until_published(len(orders))
        until(lambda: is_forgotten(own_stack, f"{namespace}group-idler"), "the broker to forget its producer")
        for _ in range(2):
            more = names(len(orders), 50)
            shop.place(*more)
            orders += more
            shop.until_published(len(orders))
        assert worker.lines("transaction.unknown") or worker.lines("transaction.aborted")
        assert worker.stop() == 0
        shop.audit(orders)


def is_forgotten(stack: Stack, transactional_id: str) -> bool:
    """Whether the last that the broker wrote down of an id is that it has expired."""
    topic = "__transaction_state"
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": stack.broker.bootstrap_servers,
        "group.id": "looks",  # never joined
        "enable.partition.eof": True,
    }
    consumer = Consumer(config)
    last: bytes | None = b"unknown"
    try:
        partitions = list(AdminClient(config).list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        left = set(partitions)
        while left:
            for message in consumer.consume(500, timeout=1.0):
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition() or 0)  # which comes again whenever the partition has grown
                elif error is None and (message.key() or b"").endswith(transactional_id.encode()):
                    last = message.value()
    finally:
        consumer.close()
    return last is None


# -- the broker, and all its coordinators, start anew


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_broker_crash_does_not_stop_the_worker(own_stack: Stack, namespace: str, protocol: str) -> None:
    """The broker crashes twice during the work and once while idle: the same process works on."""
    environment = {"JOURNEYS_ORDERS__MAX_IN_HAND": "60", **in_protocol(protocol, {})}
    with open_shop(own_stack, namespace, settings=ApiSettings(key=KEY, latency_s=0.1), environment=environment) as shop:
        orders = names(0, 900)
        worker = shop.crew.hire()
        worker.until_assigned()
        shop.place(*orders)
        for share in (100, 500, len(orders)):
            shop.until_published(share)
            crash(own_stack)
        more = names(len(orders), 20)
        shop.place(*more)
        shop.until_published(len(orders) + len(more))
        assert worker.stop() == 0
        shop.audit([*orders, *more])


def crash(stack: Stack) -> None:
    """The broker dies, and comes back with its data."""
    stack.broker.kill()
    stack.broker.restart()


# -- a thread that does not poll for too long


class Dawdler(Meddler):
    """In its second transaction it takes longer than the group waits for a member to poll."""

    def meddle(self, batches: Sequence[Sequence[Record]], groups: Sequence[GroupOffsets], timeout_s: float) -> Result:
        """Wait until the group has given this member up, then publish."""
        admin = AdminClient({"bootstrap.servers": self._config["bootstrap.servers"]})
        group = str(self._config["transactional.id"]).rpartition("-")[0]

        def alone() -> bool:
            return not admin.describe_consumer_groups([group])[group].result(10).members

        until(alone, "the group to give up a member that does not poll")
        return Publisher.publish(self, batches, groups, timeout_s=timeout_s)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_worker_beyond_max_poll_interval_joins_again(stack: Stack, namespace: str, protocol: str) -> None:
    """Kafka refuses its transaction, because its partitions may have a new owner; the worker takes them over anew."""
    environment = {"JOURNEYS_ORDERS__MAX_IN_HAND": "100", **in_protocol(protocol, {"max.poll.interval.ms": 3000})}
    with open_shop(stack, namespace, environment=environment) as shop:
        orders = [f"order-{number}" for number in range(300)]
        shop.place(*orders)
        dawdler = work(shop, Dawdler)
        assert [result.outcome for result in dawdler.results if result.outcome is not Outcome.COMMITTED]
        shop.audit(orders)


def in_protocol(protocol: str, config: dict[str, object]) -> dict[str, str]:
    """Settings for one group protocol or the other."""
    if protocol == "classic":
        config = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500, **config}
    return {"JOURNEYS_KAFKA__GROUP_PROTOCOL": protocol, "JOURNEYS_KAFKA__CONFIG": json.dumps(config)}
