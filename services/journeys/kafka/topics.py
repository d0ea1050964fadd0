"""The topics that a worker needs, and the faults of existing ones. Sans-I/O: the existing topics are an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from journeys.errors import SetupError
from journeys.producer.channels import Channel
from journeys.settings import Settings

CREATE = "journeys topics create"
"""The command that creates missing topics."""
ROOMY = 16 * 2**20
"""`max.message.bytes` of retry tiers and dead letters: they must take any order message."""
_UNEQUAL = "all topics of events need the same partition count, so that joins find an order in one place"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be created."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """The actions of `topics create`: topics to create, existing ones, or a problem that prevents both."""

    create: tuple[TopicSpec, ...]
    existing: tuple[str, ...]
    problem: str | None
    remedy: str | None


def order_topics(settings: Settings) -> list[str]:
    """The topics of completed orders, retry tiers and dead letters."""
    orders = settings.orders
    return [*orders.topics, *(topic for topic, _ in orders.tiers), orders.dead_letter]


def journey_topics(settings: Settings) -> list[str]:
    """The topics of all channels, of summaries and of rejected events."""
    return [f"{settings.publish.topic_prefix}{end}" for end in (*Channel, "summary", "rejected")]


def plan_topics(
    settings: Settings,
    existing: Mapping[str, int],
    *,
    partitions: int,
    replication_factor: int,
    retention_ms: int,
) -> TopicPlan:
    """The plan, from the `existing` topics (name → partition count). `retention_ms` is in milliseconds."""
    wanted = [*order_topics(settings), *journey_topics(settings)]
    config = {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}
    if replication_factor >= 3:
        config["min.insync.replicas"] = "2"  # one broker may fail without loss of acknowledged records
    others = {
        topic: existing[topic] for topic in journey_topics(settings) if existing.get(topic, partitions) != partitions
    }
    roomy = {*(topic for topic, _ in settings.orders.tiers), settings.orders.dead_letter}
    create = [
        TopicSpec(
            name=topic,
            partitions=partitions,
            replication_factor=replication_factor,
            config={**config, "max.message.bytes": str(ROOMY)} if topic in roomy else config,
        )
        for topic in wanted
        if topic not in existing
    ]
    count = next(iter(others.values())) if len(set(others.values())) == 1 else None
    return TopicPlan(
        create=() if others else tuple(create),
        existing=tuple(topic for topic in wanted if topic in existing),
        problem=f"{_UNEQUAL}, and {partitions} were asked for, but there are: {_told(others)}" if others else None,
        remedy=f"{CREATE} --partitions {count}" if count else None,
    )


def require(settings: Settings, existing: Mapping[str, int]) -> None:
    """Raise SetupError unless every topic exists and all event topics have the same partition count."""
    wanted = [*order_topics(settings), *journey_topics(settings)]
    missing = [topic for topic in wanted if topic not in existing]
    if missing:
        # If the other topics exist, a missing order topic is probably misspelt. Created, it would stay empty.
        is_odd = len(missing) < len(wanted) and not set(missing).isdisjoint(settings.orders.topics)
        remedy = f"{CREATE}, if JOURNEYS_ORDERS__TOPICS is spelt right" if is_odd else CREATE
        raise SetupError(f"these topics are missing: {', '.join(missing)}", remedy=remedy)
    counts = {topic: existing[topic] for topic in journey_topics(settings)}
    if len(set(counts.values())) > 1:
        raise SetupError(f"{_UNEQUAL}, but there are: {_told(counts)}")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{topic} {count}" for topic, count in counts.items())
