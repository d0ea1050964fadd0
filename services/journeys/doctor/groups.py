"""Rules about the consumer groups of a worker: their members, their offsets, their lag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from journeys.consumer import offset_map
from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Committed
from journeys.doctor.report import Finding, Item, fail, ok, skipped
from journeys.kafka.cluster import Group, Member, Offsets
from journeys.settings import Settings
from journeys.tools.lag.progress import Progress

_ASSIGNORS: Final = {"classic": "cooperative-sticky", "consumer": None}
"""The assignor of a worker by group protocol. In `consumer` the broker assigns."""
_NAMELESS: Final = "rdkafka"
"""librdkafka's client id of a member without an instance id."""
_RUNBOOK: Final = "see docs/runbook.md: An offset is out of range, A topic was created again, or The map cannot be read"


def members(settings: Settings, found: Mapping[str, Group]) -> Finding:
    """Whether the members of the groups are workers, each with an instance id of its own."""
    items = [
        Item(
            name=f"{name}: {member.instance_id or member.client_id}",
            values={"host": member.host, "partitions": member.partitions},
        )
        for name, group in found.items()
        for member in group.members
    ]
    for name, group in found.items():
        if stranger := _stranger(settings, group):
            remedy = "stop the other program, or give the workers another JOURNEYS_KAFKA__GROUP_ID"
            return fail(f"another program is in the group {name}: {stranger}", remedy, items=items)
        for instance_id, twins in _twins(settings, group.members):
            hosts = ", ".join(sorted(member.host for member in twins))
            return fail(
                f"{len(twins)} members of {name} have the instance id {instance_id} ({hosts}): they fence each other",
                "give each worker its own JOURNEYS_KAFKA__INSTANCE_ID, or none; after a kill and a restart, wait",
                items=items,
            )
    counts = ", ".join(f"{name} {len(group.members)}" for name, group in found.items())
    return ok(f"members: {counts}{_same_name(settings, found)}", items=items)


def _stranger(settings: Settings, group: Group) -> str | None:
    """How the members of a group differ from a worker of these settings; None if they do not."""
    if not group.members:
        return None
    protocol = settings.kafka.group_protocol
    if group.protocol not in {protocol.upper(), "UNKNOWN"}:
        return f"its members use the group protocol `{group.protocol.lower()}`, and the settings say `{protocol}`"
    assignor = _ASSIGNORS[protocol]
    if assignor is not None and group.assignor not in {assignor, ""}:
        return f"its members use the assignor {group.assignor}, and workers {assignor}"
    return None


def _twins(settings: Settings, found: Iterable[Member]) -> Iterable[tuple[str, list[Member]]]:
    """The instance ids of more than one member.

    A worker's client id is its instance id, unless it has none or the user sets another client id.
    """
    nameless = {_NAMELESS, settings.kafka.config.get("client.id")}
    named = defaultdict(list)
    for member in found:
        if member.client_id not in nameless:
            named[member.client_id].append(member)
    return [(instance_id, same) for instance_id, same in named.items() if len(same) > 1]


def _same_name(settings: Settings, found: Mapping[str, Group]) -> str:
    own = settings.kafka.instance_id
    hosts = sorted({member.host for group in found.values() for member in group.members if member.client_id == own})
    return f"; {own}, the instance id of these settings, is one of them (at {', '.join(hosts)})" if hosts else ""


def offsets(settings: Settings, found: Mapping[Partition, Offsets]) -> Finding:
    """Whether a worker can begin at the group's offsets."""
    if not found:
        return skipped("no order topic exists yet")
    faults = [fault for place, each in found.items() if (fault := _fault(settings, place, each)) is not None]
    if faults:
        listed = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        return fail(listed, _RUNBOOK)
    new = sum(each.committed is None for each in found.values())
    if not new:
        return ok(f"every offset of {len(found)} partitions is in its topic")
    start = settings.orders.start
    return ok(f"{new} of {len(found)} partitions have no offset yet: workers begin at the {start} order there")


def _fault(settings: Settings, place: Partition, each: Offsets) -> str | None:
    name = f"{place[0]}/{place[1]}"
    if each.committed is None:
        return f"{name} has no offset, and JOURNEYS_ORDERS__START=error" if settings.orders.start == "error" else None
    if offset_map.is_of_another_topic(each.metadata, each.topic_id):
        return f"{name}: the group's offset is of an older topic of this name, which was deleted"
    try:
        problem = _progress(place, each).problem
    except offset_map.UnknownMapError as error:
        problem = str(error)
    return None if problem is None else f"{name}: {problem}"


def lag(settings: Settings, found: Mapping[Partition, Offsets]) -> Finding:
    """How many orders are not published yet, by partition. `found` has passed `offsets`.

    In a retry tier, this counts transaction markers, too.
    """
    measured = [_progress(place, each) for place, each in found.items()]
    items = [
        Item(
            name=f"{each.topic}/{each.partition}",
            values={
                "watermark": None if each.commit is None else each.commit.watermark,
                "finished_beyond": each.beyond,
                "end": each.bounds.stop,
                "lag": each.orders,
            },
        )
        for each in measured
    ]
    of_orders = sum(each.orders for each in measured if each.topic in settings.orders.topics)
    of_retries = sum(each.orders for each in measured) - of_orders
    most = max(measured, key=lambda each: each.orders)
    peak = f"; most in {most.topic}/{most.partition} ({most.orders:,})" if most.orders else ""
    return ok(
        f"{of_orders:,} in order topics, {of_retries:,} in retry tiers{peak}",
        values={"orders": of_orders, "retries": of_retries},
        items=items,
    )


def _progress(place: Partition, each: Offsets) -> Progress:
    """As `journeys lag` counts, without reading the open orders. Raises UnknownMapError."""
    commit = None if each.committed is None else Committed.of(each.committed, each.metadata)
    return Progress(topic=place[0], partition=place[1], commit=commit, bounds=range(each.begin, each.end))
