"""Finds topics whose replicas may be too few to take records. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Partition(Protocol):
    """A partition in the metadata of a cluster, as confluent_kafka gives it."""

    id: int
    leader: int
    """The broker that leads it; negative if none does."""
    replicas: list[int]
    isrs: list[int]
    """The brokers whose replicas are in sync."""


def shortage(topic: str, partitions: Iterable[Partition]) -> str | None:
    """The worst partition of a topic; None if each has a leader and all its replicas in sync.

    Kafka refuses records with NOT_ENOUGH_REPLICAS if fewer replicas are in sync than the topic's `min.insync.replicas`.
    A worker may have no right to read that setting.
    """
    worst = min(partitions, key=_health, default=None)
    if worst is None or (worst.leader >= 0 and len(worst.isrs) >= len(worst.replicas)):
        return None
    if worst.leader < 0:
        return f"{topic}/{worst.id} has no leader"
    return f"{topic}/{worst.id} has {len(worst.isrs)} of {len(worst.replicas)} replicas in sync"


def _health(partition: Partition) -> tuple[bool, int]:
    return partition.leader >= 0, len(partition.isrs) - len(partition.replicas)
