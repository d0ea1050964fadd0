"""What librdkafka is told: the settings of the consumer and the producer. Pure.

The user's own settings come first; those that exactly-once rests on come last, and `settings` has refused them to
the user before.
"""

from __future__ import annotations

from typing import Any

from journeys.settings import Settings


def consumer_config(settings: Settings, *, group_id: str) -> dict[str, Any]:
    """For reading orders: nothing is committed, stored or reset behind our back."""
    kafka = settings.kafka
    config: dict[str, Any] = {
        # The default of 100,000 would prefetch far more than a worker may hold, and lose it at each pause.
        "queued.min.messages": 1000,
        "queued.max.messages.kbytes": 16 * 1024,
        # The default of 1 MiB is some ten thousand orders of each partition at once, and 300 bytes beside each: 37 MiB
        # in a worker behind its orders (measured with benchmarks.memory). A batch that is larger comes all the same.
        "fetch.message.max.bytes": 128 * 1024,
        **kafka.config,
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": group_id,
        "group.protocol": kafka.group_protocol,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
    }
    if kafka.group_protocol == "classic":
        config["partition.assignment.strategy"] = "cooperative-sticky"
    return config


def producer_config(settings: Settings, *, instance_id: str) -> dict[str, Any]:
    """For publishing: idempotent, transactional, and partitioned as Java's clients do."""
    kafka = settings.kafka
    timeout_ms = int(kafka.transaction_timeout * 1000)
    return {
        "compression.type": "lz4",
        # A commit flushes, whatever this says; until then batches may fill (measured with benchmarks.worker: a tenth
        # more orders, a quarter less of the broker's time).
        "linger.ms": 200,
        # The topic decides what is too large (its order becomes a dead letter), not the client's own 1 MB.
        "message.max.bytes": 16 * 2**20,
        **kafka.config,
        "bootstrap.servers": kafka.bootstrap_servers,
        "transactional.id": f"{kafka.group_id}-{instance_id}",
        "transaction.timeout.ms": timeout_ms,
        "message.timeout.ms": timeout_ms,  # must not outlive its transaction
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
    }
