"""The topics that a worker needs, and the faults of existing ones. Sans-I/O: the existing topics are an argument."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from journeys.errors import SetupError
from journeys.settings import Settings

CREATE = "journeys topics create"
"""The command that creates missing topics."""
ROOMY = 16 * 2**20
"""`max.message.bytes` of retry tiers and dead letters: they must take any order message."""
_ROOMY_CONFIG = {"max.message.bytes": str(ROOMY)}
_KEPT_MS = 30 * 86_400_000
DEFAULT_PARTITIONS = 6
"""Partitions of new topics, if there is no topic of events yet."""
KEYS = (
    "More partitions move keys: a later record of an order may be in another partition than its earlier ones. "
    "Stop the workers before."
)
"""The price of more partitions."""
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
    """The actions of `topics create`: topics to create, topics that get more partitions, and topics left alone."""

    create: tuple[TopicSpec, ...]
    grow: Mapping[str, int]
    """Topic of events → its new partition count."""
    existing: tuple[str, ...]


def order_topics(settings: Settings) -> list[str]:
    """The topics of completed orders, retry tiers and dead letters."""
    orders = settings.orders
    return [*orders.topics, *orders.retry_topics, orders.dead_letter]


def misread_topics(settings: Settings) -> list[str]:
    """Order topics, retry tiers and dead letters whose names begin with the prefix of the journey topics.

    A consumer that subscribes to the prefix as a pattern would read them as events.
    """
    return [topic for topic in order_topics(settings) if topic.startswith(settings.publish.topic_prefix)]


def required_topics(settings: Settings) -> list[str]:
    """Every topic that a worker reads or writes."""
    return [*order_topics(settings), *settings.publish.topics]


def plan_topics(
    settings: Settings,
    existing: Mapping[str, int],
    *,
    partitions: int | None,
    grow: bool,
    replication_factor: int,
    retention_ms: int,
) -> TopicPlan:
    """The plan, from the `existing` topics (name → partition count). `retention_ms` is in milliseconds.

    Without `partitions`, new topics get as many as the topics of events have. `grow` allows more partitions for these.
    Raises SetupError if the topics of events would have different counts.
    """
    counts = _journey_counts(settings, existing)
    if partitions is None:
        partitions = max(counts.values(), default=DEFAULT_PARTITIONS)
    unequal = {topic: count for topic, count in counts.items() if count != partitions}
    if unequal and not (grow and max(unequal.values()) < partitions):
        raise _unequal(unequal, partitions)
    config = _config(replication_factor, retention_ms)
    roomy = {*settings.orders.retry_topics, settings.orders.dead_letter}
    create = [
        TopicSpec(
            name=topic,
            partitions=partitions,
            replication_factor=replication_factor,
            config=config | _ROOMY_CONFIG if topic in roomy else config,
        )
        for topic in required_topics(settings)
        if topic not in existing
    ]
    return TopicPlan(
        create=tuple(create),
        grow=dict.fromkeys(unequal, partitions),
        existing=tuple(topic for topic in required_topics(settings) if topic in existing and topic not in unequal),
    )


def set_aside(name: str, *, partitions: int, replication_factor: int) -> TopicSpec:
    """A topic for dead letters that are set aside. It takes any order message, and keeps it for 30 days."""
    config = _config(replication_factor, _KEPT_MS)
    return TopicSpec(
        name=name, partitions=partitions, replication_factor=replication_factor, config=config | _ROOMY_CONFIG
    )


def require(settings: Settings, existing: Mapping[str, int]) -> None:
    """Raise SetupError unless every topic exists and all event topics have the same partition count."""
    require_present(required_topics(settings), settings, existing)
    require_equal_counts(settings, existing)


def require_present(wanted: Collection[str], settings: Settings, existing: Mapping[str, int]) -> None:
    """Raise SetupError unless each of the `wanted` topics exists."""
    missing = [topic for topic in wanted if topic not in existing]
    if missing:
        # If the other topics exist, a missing order topic is probably misspelt. Created, it would stay empty.
        is_odd = len(missing) < len(wanted) and not set(missing).isdisjoint(settings.orders.topics)
        remedy = f"{CREATE}, if JOURNEYS_ORDERS__TOPICS is spelt right" if is_odd else CREATE
        raise SetupError(f"these topics are missing: {', '.join(missing)}", remedy=remedy)


def require_equal_counts(settings: Settings, existing: Mapping[str, int]) -> None:
    """Raise SetupError unless the existing topics of events have the same partition count."""
    counts = _journey_counts(settings, existing)
    if len(set(counts.values())) > 1:
        raise _unequal(counts, max(counts.values()))


def _config(replication_factor: int, retention_ms: int) -> dict[str, str]:
    config = {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}
    if replication_factor >= 3:
        config["min.insync.replicas"] = "2"  # one broker may fail without loss of acknowledged records
    return config


def _journey_counts(settings: Settings, existing: Mapping[str, int]) -> dict[str, int]:
    return {topic: existing[topic] for topic in settings.publish.topics if topic in existing}


def _unequal(counts: Mapping[str, int], wanted: int) -> SetupError:
    """The error for these counts; its remedy brings all topics of events to `wanted`, or to the largest count."""
    count = max(wanted, *counts.values())
    listed = f"{_UNEQUAL}, but there are: {_listed(counts)}"
    if min(counts.values()) < count:
        return SetupError(f"{listed}. {KEYS}", remedy=f"{CREATE} --partitions {count} --grow")
    return SetupError(listed, remedy=f"{CREATE} --partitions {count}")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{topic} {count}" for topic, count in counts.items())
