"""Rules about rights: docs/security.md lists those that `journeys run` needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from journeys.doctor.report import Finding, Item, fail, ok, skipped
from journeys.kafka.cluster import Group
from journeys.redact import without_credentials
from journeys.settings import Settings

_SILENT = "the brokers do not say what this client may do; they are older than Kafka 2.3"
_OTHERS = "see docs/security.md, under `journeys run`, for the other rights"


def wanted_on_topics(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The operations that a worker performs on each topic, in capitals."""
    orders = settings.orders
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(orders.topics, ("READ",))
    wanted |= dict.fromkeys(orders.retry_topics, ("READ", "WRITE"))
    return wanted | dict.fromkeys((orders.dead_letter, *settings.publish.topics), ("WRITE",))


def on_topics(settings: Settings, found: Mapping[str, frozenset[str] | None]) -> Finding:
    """Whether this client may read and write the topics as a worker does. `found`: operations of each topic."""
    wanted = {topic: operations for topic, operations in wanted_on_topics(settings).items() if topic in found}
    items = [
        Item(name=topic, values={operation.lower(): operation in (found[topic] or ()) for operation in operations})
        for topic, operations in wanted.items()
    ]
    if not wanted:
        return skipped("no topic exists yet")
    if all(found[topic] is None for topic in wanted):
        return skipped(_SILENT)
    missing = [
        (operation, topic)
        for topic, operations in wanted.items()
        for operation in operations
        if operation not in (found[topic] or ())
    ]
    if missing:
        lacking = ", ".join(f"{operation.capitalize()} on {topic}" for operation, topic in missing)
        return fail(f"this client lacks {lacking}", _grant(settings, "topic", *missing[0]), items=items)
    return ok("Read and Write, as a worker needs them", items=items)


def on_groups(settings: Settings, found: Mapping[str, Group]) -> Finding:
    """Whether this client may read with the groups of the settings."""
    missing = [name for name, group in found.items() if group.operations is not None and "READ" not in group.operations]
    if missing:
        lacking = ", ".join(f"Read on {name}" for name in missing)
        return fail(f"this client lacks {lacking}", _grant(settings, "group", "READ", missing[0]))
    if all(group.operations is None for group in found.values()):
        return skipped(_SILENT)
    return ok(f"Read on {' and '.join(found)}")


def transaction(transactional_id: str) -> Finding:
    """A transaction without records was begun and ended."""
    return ok(f"begun and ended as {transactional_id}, without a record")


def group_names(settings: Settings) -> Sequence[str]:
    """The groups of a worker: that of the orders, and that of the retry tiers if there are any."""
    group = settings.kafka.group_id
    return (group, f"{group}.retry") if settings.orders.tiers else (group,)


def _grant(settings: Settings, kind: str, operation: str, name: str) -> str:
    servers = without_credentials(settings.kafka.bootstrap_servers)
    return (
        f"kafka-acls --bootstrap-server {servers} --add --allow-principal User:NAME "
        f"--operation {operation.capitalize()} --{kind} {name}\n{_OTHERS}"
    )
