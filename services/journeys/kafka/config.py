"""librdkafka's configuration of the consumer and the producer, from the settings. Sans-I/O.

The user's own properties come first. Those that exactly-once depends on come last; `settings` refuses them to the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journeys.settings import Settings

_ALWAYS: Mapping[str, Any] = {
    # The default of a producer is true: a deleted topic would come back with the brokers' default partitions.
    "allow.auto.create.topics": False,
}

STATISTICS: dict[str, Any] = {"statistics.interval.ms": 15_000}
"""The property of the worker's producer beside `producer_config`, which holds the user's own and goes last."""


def consumer_config(settings: Settings, *, group_id: str) -> dict[str, Any]:
    """The configuration for reading orders: librdkafka never commits, stores or resets offsets by itself."""
    kafka = settings.kafka
    config: dict[str, Any] = {
        # The default of 100,000 would prefetch far more than a worker may hold, and lose it at each pause.
        "queued.min.messages": 1000,
        "queued.max.messages.kbytes": 16 * 1024,
        # The default of 1 MiB holds about ten thousand orders of each partition, with 300 bytes of overhead each. That
        # took 37 MiB in a worker with a backlog (measured with benchmarks.memory). A larger batch still arrives whole.
        "fetch.message.max.bytes": 128 * 1024,
        **kafka.config,
        **_ALWAYS,
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": group_id,
        "group.protocol": kafka.group_protocol,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,  # else the group's offset would never pass a transaction marker (see `Ledger`)
    }
    if kafka.group_protocol == "classic":
        config["partition.assignment.strategy"] = "cooperative-sticky"
    return config


def membership(settings: Settings) -> dict[str, Any]:
    """The properties of a member of a group, beside `consumer_config`, which holds the user's own and goes last.

    Kafka gives the partitions of a killed worker to others after the session time-out. 10 s would gain little: an open
    transaction holds a partition for up to 20.5 s, and each short fault of the network would cost a rebalance. A static
    member needs more, so that it may restart within the time-out. In the group protocol `consumer` the broker decides.
    A member hears at its next heartbeat that another one has left: with 1.5 s, it publishes on within 2 s.
    Kafka shows the client id of each member: so two workers with one instance id are seen before they fence each other.
    """
    kafka = settings.kafka
    config: dict[str, Any] = {} if kafka.instance_id is None else {"client.id": kafka.instance_id}
    if kafka.group_protocol != "classic":
        return config
    config |= {"session.timeout.ms": 45_000 if kafka.static else 20_000, "heartbeat.interval.ms": 1_500}
    if kafka.static:
        config["group.instance.id"] = kafka.instance_id
    return config


def producer_config(settings: Settings, *, instance_id: str) -> dict[str, Any]:
    """The configuration for publishing: idempotent, transactional, with the partitioner of Java's clients."""
    kafka = settings.kafka
    timeout_ms = int(kafka.transaction_timeout * 1000)
    return {
        "compression.type": "lz4",
        # A commit flushes at once. Until then batches may fill: a tenth more orders/s, and a quarter less CPU in the
        # broker (measured with benchmarks.worker).
        "linger.ms": 200,
        # The topic decides what is too large (its order becomes a dead letter), not the client's own 1 MB.
        "message.max.bytes": 16 * 2**20,
        # The default of 30 s outlasts the transaction: its commit would time out, and not say that a topic is missing.
        "topic.metadata.propagation.max.ms": 1000,
        **kafka.config,
        **_ALWAYS,
        "bootstrap.servers": kafka.bootstrap_servers,
        "transactional.id": f"{kafka.group_id}-{instance_id}",
        "transaction.timeout.ms": timeout_ms,
        "message.timeout.ms": timeout_ms,  # must not outlive its transaction
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
    }


def order_producer_config(settings: Settings) -> dict[str, Any]:
    """The configuration for writing order messages without a worker: idempotent, with the worker's partitioner."""
    kafka = settings.kafka
    return {
        "compression.type": "lz4",
        "linger.ms": 20,
        **kafka.config,
        **_ALWAYS,
        "bootstrap.servers": kafka.bootstrap_servers,
        "message.timeout.ms": 60_000,  # the default of 5 minutes hides from the user that Kafka is gone
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
    }
