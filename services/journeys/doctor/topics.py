"""Rules about the topics. They hold for the topics that exist; `present` names the missing ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from journeys.doctor.report import Finding, Item, Status, fail, ok, skipped, warn
from journeys.errors import SetupError
from journeys.kafka import topics
from journeys.kafka.cluster import Cluster, Topic
from journeys.producer import schemas
from journeys.redact import without_credentials
from journeys.routing import tier_of
from journeys.settings import Settings
from journeys.settings.values import format_duration, format_size

TopicSettings = Mapping[str, Mapping[str, str]]
"""Topic → its settings in Kafka."""

COPIES: Final = "replication_factor"
"""The value of `present` that holds the copies which missing topics should get."""
_FOREVER: Final = -1
_MARGIN_S: Final = 86_400.0
"""How much longer than the planned wait an order should be kept: an outage of a day."""
_HEADERS_BYTES: Final = 64 * 1024
"""Space for the headers that a retry or a dead letter adds to an order message."""


@dataclass(frozen=True, slots=True)
class _Fault:
    status: Status
    topic: str
    text: str
    remedy: str
    """For this topic; a fault of several topics shows the first one's."""


def present(settings: Settings, cluster: Cluster, existing: Mapping[str, int]) -> Finding:
    """Whether every topic exists. `existing`: topic → partition count."""
    try:
        topics.require_present(topics.required_topics(settings), settings, existing)
    except SetupError as error:
        copies = min(3, cluster.brokers)
        command = f"{topics.CREATE} --replication-factor {copies}" if copies > 1 else topics.CREATE
        remedy = (error.remedy or "").replace(topics.CREATE, command)
        return fail(str(error), remedy, values={COPIES: copies})
    return ok(f"all {len(topics.required_topics(settings))} topics exist")


def partitions(settings: Settings, existing: Mapping[str, int]) -> Finding:
    """Whether all topics of events have the same partition count."""
    found = {topic: existing[topic] for topic in topics.required_topics(settings) if topic in existing}
    items = [Item(name=topic, values={"partitions": count}) for topic, count in found.items()]
    try:
        topics.require_equal_counts(settings, existing)
    except SetupError as error:
        return fail(str(error), error.remedy, items=items)
    if not found:
        return skipped("no topic exists yet")
    of_events = {count for topic, count in found.items() if topic in settings.publish.topics}
    of_orders = sum(found.get(topic, 0) for topic in settings.orders.topics)
    counts = f"{of_events.pop()} in each topic of events" if of_events else "no topic of events"
    return ok(f"{counts}; {of_orders} of orders, so up to {of_orders} workers share them", items=items)


def readable(settings: Settings, existing: Mapping[str, int], found: TopicSettings) -> Finding:
    """Whether this client may read the settings of topics. A worker does not need that right."""
    present = [topic for topic in topics.required_topics(settings) if topic in existing]
    if not present:
        return skipped("no topic exists yet")
    hidden = [topic for topic in present if topic not in found]
    right = "grant DescribeConfigs on the topics to this client, or run doctor as another one"
    if len(hidden) == len(present):
        return skipped("this client may not read the settings of topics (ACL: DescribeConfigs on the topic)", right)
    if hidden:
        return warn(f"this client may not read the settings of {', '.join(hidden)} (ACL: DescribeConfigs)", right)
    return ok(f"readable for {len(present)} topics")


def replication(settings: Settings, cluster: Cluster, found: TopicSettings) -> Finding:
    """Whether records survive the loss of a broker, and can be written now."""
    known = {topic: cluster.topics[topic] for topic in _ours(settings, found) if topic in cluster.topics}
    least = {topic: int(found[topic].get("min.insync.replicas", 1)) for topic in known}
    items = [
        Item(
            name=topic,
            values={"replicas": state.replicas, "in_sync": state.in_sync, "min_insync_replicas": least[topic]},
        )
        for topic, state in known.items()
    ]
    faults = [fault for topic, state in known.items() for fault in _copies(settings, topic, state, least[topic])]
    copies = sorted({state.replicas for state in known.values()})
    counts = " or ".join(map(str, copies))
    return _judged(faults, ok(f"{counts} copies of each partition, on {cluster.brokers} brokers", items=items))


def _copies(settings: Settings, topic: str, state: Topic, least: int) -> Iterable[_Fault]:
    if state.leaderless:
        yield _Fault(Status.FAIL, topic, "a partition has no leader", "look at the brokers")
    if least > state.replicas:
        remedy = _alter(settings, topic, "min.insync.replicas", max(1, state.replicas - 1))
        yield _Fault(Status.FAIL, topic, f"min.insync.replicas is {least}, more than there are copies", remedy)
    elif state.in_sync < least:
        text = f"fewer copies are in sync ({state.in_sync}) than min.insync.replicas wants ({least})"
        yield _Fault(Status.FAIL, topic, text, "look at the brokers: until then, Kafka refuses every transaction")
    elif state.replicas == 1:
        text = "only one copy: records are lost with the disk of their broker"
        yield _Fault(Status.WARN, topic, text, "in production, use three brokers, and topics with 3 copies")
    elif least == state.replicas:
        remedy = _alter(settings, topic, "min.insync.replicas", state.replicas - 1)
        yield _Fault(
            Status.WARN, topic, f"all {least} copies must be in sync: one lost broker stops the workers", remedy
        )
    elif state.replicas >= 3 and least < 2:
        remedy = _alter(settings, topic, "min.insync.replicas", 2)
        yield _Fault(Status.WARN, topic, "min.insync.replicas is 1: records may be lost with one broker", remedy)


def retention(settings: Settings, found: TopicSettings) -> Finding:
    """Whether Kafka keeps each order for longer than it may have to wait in its topic."""
    waits = dict.fromkeys(settings.orders.topics, settings.settle)
    waits |= dict(settings.orders.tiers)
    for delay_s in settings.api.empty_after if settings.orders.tiers else ():
        topic = tier_of(delay_s, settings.orders.tiers)
        waits[topic] = max(waits[topic], delay_s)
    waits[settings.orders.dead_letter] = 0.0
    known = {topic: wait_s for topic, wait_s in waits.items() if topic in found}
    kept = {topic: int(found[topic].get("retention.ms", _FOREVER)) for topic in known}
    items = [
        Item(name=topic, values={"retention_ms": kept[topic], "wait_ms": int(wait_s * 1000)})
        for topic, wait_s in known.items()
    ]
    faults = [fault for topic, wait_s in known.items() for fault in _kept(settings, topic, wait_s, found[topic])]
    shortest = min((ms / 1000 for ms in kept.values() if ms != _FOREVER), default=None)
    text = "orders are kept for ever" if shortest is None else f"orders are kept for {format_duration(shortest)}"
    longest = format_duration(max(known.values(), default=0.0))
    return _judged(faults, ok(f"{text} at least; the longest planned wait is {longest}", items=items))


def _kept(settings: Settings, topic: str, wait_s: float, config: Mapping[str, str]) -> Iterable[_Fault]:
    kept_ms, size = int(config.get("retention.ms", _FOREVER)), int(config.get("retention.bytes", _FOREVER))
    remedy = _alter(settings, topic, "retention.ms", int(max(30 * _MARGIN_S, wait_s + _MARGIN_S) * 1000))
    text = f"Kafka deletes records after {format_duration(kept_ms / 1000)}"
    if kept_ms != _FOREVER and kept_ms <= wait_s * 1000:
        yield _Fault(Status.FAIL, topic, f"{text}, but orders wait there for {format_duration(wait_s)}", remedy)
    elif kept_ms != _FOREVER and kept_ms < (wait_s + _MARGIN_S) * 1000:
        wait = f"orders that wait for {format_duration(wait_s)} and then for" if wait_s else "orders that wait for"
        yield _Fault(Status.WARN, topic, f"{text}: too early for {wait} an API that is down for a day", remedy)
    if size != _FOREVER:
        text = f"Kafka deletes records beyond {_size(size)}, however young they are (retention.bytes)"
        yield _Fault(Status.WARN, topic, text, _alter(settings, topic, "retention.bytes", _FOREVER))


def cleanup(settings: Settings, found: TopicSettings) -> Finding:
    """Whether Kafka keeps all records of a key: all events of an order have the same one."""
    may_be_compacted = schemas.topic(settings.publish.topic_prefix, schemas.SUMMARY)
    known = _ours(settings, found)
    policies = {topic: found[topic].get("cleanup.policy", "delete") for topic in known}
    faults = []
    for topic, policy in policies.items():
        if "compact" not in policy or topic == may_be_compacted:
            continue
        is_theirs = topic in settings.orders.topics
        text = f"cleanup.policy is {policy}: Kafka deletes all but the last record of a key"
        status = Status.WARN if is_theirs else Status.FAIL
        faults.append(_Fault(status, topic, text, _alter(settings, topic, "cleanup.policy", "delete")))
    items = [Item(name=topic, values={"cleanup_policy": policy}) for topic, policy in policies.items()]
    return _judged(faults, ok("no topic loses older records of an order", items=items))


def record_size(settings: Settings, found: TopicSettings) -> Finding:
    """Whether the retry tiers and the dead letters take every order message."""
    limits = {topic: int(found[topic].get("max.message.bytes", topics.ROOMY)) for topic in _ours(settings, found)}
    items = [Item(name=topic, values={"max_message_bytes": limit}) for topic, limit in limits.items()]
    largest = max((limits[topic] for topic in settings.orders.topics if topic in limits), default=0)
    needed = largest + _HEADERS_BYTES
    roomy = [*settings.orders.retry_topics, settings.orders.dead_letter]
    faults = [
        _Fault(
            Status.WARN,
            topic,
            f"takes {_size(limits[topic])}, but an order topic {_size(largest)}: a large order has no place there",
            _alter(settings, topic, "max.message.bytes", max(topics.ROOMY, needed)),
        )
        for topic in roomy
        if topic in limits and limits[topic] < needed
    ]
    events = [limits[topic] for topic in settings.publish.topics if topic in limits]
    text = f"events of up to {_size(min(events))}" if events else "no topic of events"
    return _judged(faults, ok(f"{text}; retries and dead letters take every order message", items=items))


def _ours(settings: Settings, found: TopicSettings) -> list[str]:
    return [topic for topic in topics.required_topics(settings) if topic in found]


def _alter(settings: Settings, topic: str, name: str, value: str | int) -> str:
    servers = without_credentials(settings.kafka.bootstrap_servers)
    return (
        f"kafka-configs --bootstrap-server {servers} --alter --entity-type topics --entity-name {topic} "
        f"--add-config {name}={value}"
    )


def _size(size_bytes: int) -> str:
    text = format_size(size_bytes)
    return f"{text} bytes" if text.isdecimal() else text


def _judged(faults: Sequence[_Fault], fine: Finding) -> Finding:
    """The finding of these faults, the worst first; `fine` without any. Its items stay."""
    if not faults:
        return fine
    worst_first = sorted(faults, key=lambda fault: fault.status is not Status.FAIL)
    by_text: dict[str, list[_Fault]] = {}
    for fault in worst_first:
        by_text.setdefault(fault.text, []).append(fault)
    detail = "; ".join(f"{_named([fault.topic for fault in same])}: {text}" for text, same in by_text.items())
    remedies = dict.fromkeys(same[0].remedy for same in by_text.values())
    return Finding(worst_first[0].status, detail, "\n".join(remedies), items=fine.items)


def _named(names: Sequence[str]) -> str:
    """All names, or the first two and how many more."""
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
