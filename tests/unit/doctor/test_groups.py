"""Rules about the consumer groups."""

from __future__ import annotations

from journeys.consumer import offset_map
from journeys.doctor import groups
from journeys.doctor.report import Status
from journeys.kafka.cluster import Group, Member, Offsets
from journeys.settings import load

SETTINGS = load(None, {})
TOPIC_ID = "pG2f59x7TtOCOB0RPhEUFg"
NAMED = load(None, {"JOURNEYS_KAFKA__INSTANCE_ID": "pod-1"})


def member(client_id: str = "rdkafka", host: str = "10.0.0.1", instance_id: str | None = None) -> Member:
    """A member with two partitions."""
    return Member(client_id=client_id, instance_id=instance_id, host=host, partitions=2)


def group(*members: Member, protocol: str = "CLASSIC", assignor: str = "cooperative-sticky") -> Group:
    """A group of workers."""
    return Group(protocol=protocol, assignor=assignor if members else "", members=members, operations=frozenset())


def offsets(begin: int = 0, end: int = 10, committed: int | None = 4, metadata: str = "") -> Offsets:
    """The offsets of a partition."""
    return Offsets(begin=begin, end=end, committed=committed, metadata=metadata, topic_id=TOPIC_ID)


def test_workers_without_a_name_are_fine_together() -> None:
    """All have the client id of librdkafka. An empty group is fine, too."""
    finding = groups.members(SETTINGS, {"journeys": group(member(), member()), "journeys.retry": group()})
    assert (finding.status, finding.detail) == (Status.OK, "members: journeys 2, journeys.retry 0")


def test_duplicated_instance_id_fails() -> None:
    """The finding names the hosts. A worker is a member of both groups, and the user may give all one client id."""
    one, other = member("pod-1", "10.0.0.1"), member("pod-1", "10.0.0.2")
    twins = groups.members(SETTINGS, {"journeys": group(one, other)})
    assert twins.status is Status.FAIL
    assert "pod-1 (10.0.0.1, 10.0.0.2)" in twins.detail
    shared = load(None, {"JOURNEYS_KAFKA__CONFIG": '{"client.id": "pod-1"}'})
    assert groups.members(shared, {"journeys": group(one, other)}).status is Status.OK
    alone = groups.members(NAMED, {"journeys": group(one), "journeys.retry": group(one)})
    assert alone.status is Status.OK
    assert "pod-1, the instance id of these settings, is one of them" in alone.detail


def test_other_program_in_the_group_fails() -> None:
    """It has another assignor, or another group protocol."""
    sarama = groups.members(SETTINGS, {"journeys": group(member("sarama"), assignor="range")})
    assert (sarama.status, "assignor range" in sarama.detail) == (Status.FAIL, True)
    newer = groups.members(SETTINGS, {"journeys": group(member(), protocol="CONSUMER", assignor="uniform")})
    assert (newer.status, "group protocol `consumer`" in newer.detail) == (Status.FAIL, True)
    consumer = load(None, {"JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer"})
    right = groups.members(consumer, {"journeys": group(member(), protocol="CONSUMER", assignor="uniform")})
    assert right.status is Status.OK


def test_offsets_that_stop_a_worker_fail() -> None:
    """Out of range on either side, of a deleted topic, and a map that cannot be read. Up to three are named."""
    fine = groups.offsets(
        SETTINGS, {("o", 0): offsets(), ("o", 1): offsets(metadata=offset_map.encode(4, [6, 7], topic_id=TOPIC_ID))}
    )
    assert fine.status is Status.OK
    wrong = {
        ("o", 0): offsets(begin=5),
        ("o", 1): offsets(end=3),
        ("o", 2): offsets(begin=5),
        ("o", 3): offsets(begin=5),
    }
    finding = groups.offsets(SETTINGS, wrong)
    assert finding.status is Status.FAIL
    parts = finding.detail.split("; ")
    assert [part.split(":")[0] for part in parts] == ["o/0", "o/1", "o/2", "and 1 more"]
    unreadable = groups.offsets(SETTINGS, {("o", 2): offsets(metadata="9zAAA")})
    older = groups.offsets(SETTINGS, {("o", 2): offsets(metadata=offset_map.encode(4, [], topic_id="sS_JulYHQ"))})
    assert (older.status, "older topic" in older.detail) == (Status.FAIL, True)
    assert (unreadable.status, "offset map" in unreadable.detail) == (Status.FAIL, True)


def test_partition_without_an_offset_follows_the_start_setting() -> None:
    """With `error`, a worker refuses it."""
    found = {("o", 0): offsets(committed=None), ("o", 1): offsets()}
    assert (
        "1 of 2 partitions have no offset yet: workers begin at the earliest" in groups.offsets(SETTINGS, found).detail
    )
    strict = load(None, {"JOURNEYS_ORDERS__START": "error"})
    assert groups.offsets(strict, found).status is Status.FAIL
    assert groups.offsets(SETTINGS, {}).status is Status.SKIPPED


def test_lag_leaves_out_the_finished_orders_beyond_the_watermark() -> None:
    """Retry tiers are counted apart."""
    found = {
        ("orders.completed", 0): offsets(metadata=offset_map.encode(4, [6, 7], topic_id=TOPIC_ID)),
        ("orders.completed", 1): offsets(committed=None),
        ("journeys.retry.1h", 0): offsets(committed=9),
    }
    finding = groups.lag(SETTINGS, found)
    assert finding.values == {"orders": 14, "retries": 1}
    assert finding.detail == "14 in order topics, 1 in retry tiers; most in orders.completed/1 (10)"
    assert finding.items[0].values == {"watermark": 4, "finished_beyond": 2, "end": 10, "lag": 4}
