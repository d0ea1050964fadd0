"""Which topics there must be, and what is missing or wrong. Pure: what exists comes as an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from journeys.errors import SetupError
from journeys.producer.channels import Channel
from journeys.settings import Settings

CREATE = "journeys topics create"
"""The command that mends what `require` complains about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be created."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `topics create` will do: create some, leave others, or nothing at all because of a problem."""

    create: tuple[TopicSpec, ...]
    existing: tuple[str, ...]
    problems: tuple[str, ...]


def order_topics(settings: Settings) -> list[str]:
    """Topics of completed orders, of the retry tiers, and of dead letters."""
    orders = settings.orders
    return [*orders.topics, *(topic for topic, _ in orders.tiers), orders.dead_letter]


def journey_topics(settings: Settings) -> list[str]:
    """A topic for each channel, and those of summaries and rejected events."""
    return [f"{settings.publish.topic_prefix}{end}" for end in (*Channel, "summary", "rejected")]


def plan(
    settings: Settings,
    existing: Mapping[str, int],
    *,
    partitions: int,
    replication_factor: int,
    retention_ms: int,
) -> Plan:
    """What is to be done, given the partition counts of all `existing` topics."""
    wanted = [*order_topics(settings), *journey_topics(settings)]
    config = {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}
    if replication_factor >= 3:
        config["min.insync.replicas"] = "2"  # one broker may be away, and nothing acknowledged is lost
    problems = tuple(
        f"{topic} has {existing[topic]} partitions, not {partitions}: all topics of events need the same count, "
        "so that a join finds an order's events in one place"
        for topic in journey_topics(settings)
        if topic in existing and existing[topic] != partitions
    )
    create = [
        TopicSpec(name=topic, partitions=partitions, replication_factor=replication_factor, config=config)
        for topic in wanted
        if topic not in existing
    ]
    return Plan(
        create=() if problems else tuple(create),
        existing=tuple(topic for topic in wanted if topic in existing),
        problems=problems,
    )


def require(settings: Settings, existing: Mapping[str, int]) -> None:
    """Raise SetupError unless every topic exists and those of events have the same partition count."""
    missing = [topic for topic in (*order_topics(settings), *journey_topics(settings)) if topic not in existing]
    if missing:
        raise SetupError(f"these topics are missing: {', '.join(missing)}", remedy=CREATE)
    counts = {topic: existing[topic] for topic in journey_topics(settings)}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{topic} {count}" for topic, count in counts.items())
        raise SetupError(f"topics of events need the same partition count, but have: {told}")
