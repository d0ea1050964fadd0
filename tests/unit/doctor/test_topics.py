"""Rules about the topics."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from journeys.doctor import topics
from journeys.doctor.report import Finding, Status
from journeys.kafka.cluster import Cluster, Topic
from journeys.kafka.topics import plan_topics, required_topics
from journeys.settings import load

SETTINGS = load(None, {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092"})
NAMES = required_topics(SETTINGS)
ORDERS, TIER, DEAD, EVENTS, SUMMARY = (
    "orders.completed",
    "journeys.retry.1h",
    "orders.dead-letter",
    "journey.ads",
    "journey.summary",
)


def cluster(*, brokers: int = 3, **odd: Topic) -> Cluster:
    """A cluster with all topics in three copies. `odd`: other topics, by name with `_` for `.`."""
    found = dict.fromkeys(NAMES, topic())
    found |= {name.replace("_", "."): each for name, each in odd.items()}
    return Cluster(brokers=brokers, apis={}, topics=found)


def topic(*, replicas: int = 3, in_sync: int | None = None, leaderless: int = 0) -> Topic:
    """A topic of six partitions."""
    return Topic(
        partitions=6, replicas=replicas, in_sync=replicas if in_sync is None else in_sync, leaderless=leaderless
    )


def configured(changes: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, dict[str, str]]:
    """The settings of topics that `journeys topics create` made, with changes."""
    plan = plan_topics(SETTINGS, {}, partitions=6, grow=False, replication_factor=3, retention_ms=30 * 86_400_000)
    made = {spec.name: {"max.message.bytes": "1048588", **spec.config} for spec in plan.create}
    return {name: {**config, **(changes or {}).get(name, {})} for name, config in made.items()}


def test_topics_as_the_command_creates_them_are_fine() -> None:
    """Every rule agrees with `journeys topics create --replication-factor 3`."""
    counts, found = dict.fromkeys(NAMES, 6), configured()
    findings = [
        topics.present(SETTINGS, cluster(), counts),
        topics.partitions(SETTINGS, counts),
        topics.readable(SETTINGS, counts, found),
        topics.replication(SETTINGS, cluster(), found),
        topics.retention(SETTINGS, found),
        topics.cleanup(SETTINGS, found),
        topics.record_size(SETTINGS, found),
    ]
    assert [finding.status for finding in findings] == [Status.OK] * 7, findings


@pytest.mark.parametrize(
    ("brokers", "command"), [(1, "create"), (2, "create --replication-factor 2"), (5, "--replication-factor 3")]
)
def test_missing_topics_get_up_to_three_copies(brokers: int, command: str) -> None:
    """As many as there are brokers."""
    finding = topics.present(SETTINGS, cluster(brokers=brokers), {})
    assert finding.status is Status.FAIL
    assert finding.remedy is not None
    assert finding.remedy.endswith(command)
    assert finding.values == {topics.COPIES: min(3, brokers)}


def test_unequal_partition_counts_fail_beside_missing_topics() -> None:
    """Both are reported, each with its command."""
    counts = {name: 6 for name in NAMES if name != SUMMARY} | {EVENTS: 8}
    assert SUMMARY in topics.present(SETTINGS, cluster(), counts).detail
    finding = topics.partitions(SETTINGS, counts)
    assert finding.status is Status.FAIL
    assert finding.remedy == "journeys topics create --partitions 8 --grow"


def test_no_topic_at_all_skips_the_other_rules() -> None:
    """A new cluster is not wrong in six ways."""
    assert topics.partitions(SETTINGS, {"other": 1}).status is Status.SKIPPED
    assert topics.readable(SETTINGS, {"other": 1}, {}).status is Status.SKIPPED


def test_hidden_topic_settings_are_skipped() -> None:
    """A worker does not need that right. Some hidden ones are a warning, since the others are judged."""
    counts, found = dict.fromkeys(NAMES, 6), configured()
    assert topics.readable(SETTINGS, counts, {}).status is Status.SKIPPED
    del found[ORDERS]
    some = topics.readable(SETTINGS, counts, found)
    assert (some.status, ORDERS in some.detail) == (Status.WARN, True)
    assert topics.retention(SETTINGS, found).status is Status.OK


@pytest.mark.parametrize(
    ("state", "least", "status", "text"),
    [
        (topic(leaderless=1), "2", Status.FAIL, "no leader"),
        (topic(replicas=2), "3", Status.FAIL, "more than there are copies"),
        (topic(in_sync=1), "2", Status.FAIL, "fewer copies are in sync"),
        (topic(replicas=1), "1", Status.WARN, "only one copy"),
        (topic(), "3", Status.WARN, "one lost broker stops the workers"),
        (topic(), "1", Status.WARN, "may be lost with one broker"),
        (topic(in_sync=2), "2", Status.OK, "3 copies"),
        (topic(replicas=2), "1", Status.OK, "2 or 3 copies"),
    ],
)
def test_copies_must_survive_the_loss_of_a_broker(state: Topic, least: str, status: Status, text: str) -> None:
    """The finding names the topic, unless it is fine."""
    finding = topics.replication(
        SETTINGS, cluster(journey_ads=state), configured({EVENTS: {"min.insync.replicas": least}})
    )
    assert finding.status is status
    assert text in finding.detail
    assert (EVENTS in finding.detail) == (status is not Status.OK)


@pytest.mark.parametrize(
    ("name", "config", "status", "text"),
    [
        (TIER, {"retention.ms": "3600000"}, Status.FAIL, "orders wait there for 1h"),
        (TIER, {"retention.ms": "86400000"}, Status.WARN, "too early"),
        (TIER, {"retention.ms": "-1"}, Status.OK, "kept for 30d"),
        (ORDERS, {"retention.ms": "1800000"}, Status.FAIL, "orders wait there for 30m"),
        (ORDERS, {"retention.bytes": "1048576"}, Status.WARN, "beyond 1MiB"),
        (DEAD, {"retention.ms": "3600000"}, Status.WARN, "too early"),
        (EVENTS, {"retention.ms": "1"}, Status.OK, ""),
    ],
)
def test_orders_are_kept_longer_than_they_wait(name: str, config: dict[str, str], status: Status, text: str) -> None:
    """A day more than the tier's delay or the settle time. The topics of events are the readers' business."""
    finding = topics.retention(SETTINGS, configured({name: config}))
    assert finding.status is status
    assert text in finding.detail


def test_orders_without_a_journey_wait_in_a_tier_for_longer_than_its_delay() -> None:
    """An absence of 7 days waits in the tier with the longest delay up to that."""
    settings = load(None, {"JOURNEYS_API__EMPTY_AFTER": "7d"})
    found = configured({TIER: {"retention.ms": str(2 * 86_400_000)}})
    finding = topics.retention(settings, found)
    assert (finding.status, "orders wait there for 7d" in finding.detail) == (Status.FAIL, True)


def test_endless_retention_is_fine() -> None:
    """Kafka writes -1 for it."""
    found = configured({name: {"retention.ms": "-1"} for name in NAMES})
    assert "for ever" in topics.retention(SETTINGS, found).detail


@pytest.mark.parametrize(
    ("name", "policy", "status"),
    [
        (EVENTS, "compact", Status.FAIL),
        (TIER, "compact,delete", Status.FAIL),
        (DEAD, "compact", Status.FAIL),
        (ORDERS, "compact", Status.WARN),
        (SUMMARY, "compact", Status.OK),
    ],
)
def test_compaction_loses_events_of_an_order(name: str, policy: str, status: Status) -> None:
    """All events of an order have one key. Of summaries, only the newest is wanted."""
    finding = topics.cleanup(SETTINGS, configured({name: {"cleanup.policy": policy}}))
    assert finding.status is status


def test_retries_and_dead_letters_take_every_order_message() -> None:
    """A retry has more headers than the order message. The remedy takes a very large one, too."""
    assert topics.record_size(SETTINGS, configured({ORDERS: {"max.message.bytes": "8388608"}})).status is Status.OK
    tight = topics.record_size(SETTINGS, configured({DEAD: {"max.message.bytes": "1048588"}}))
    assert (tight.status, DEAD in tight.detail) == (Status.WARN, True)
    large = topics.record_size(SETTINGS, configured({ORDERS: {"max.message.bytes": str(32 * 2**20)}}))
    assert large.remedy is not None
    assert large.remedy.splitlines()[0].endswith(f"max.message.bytes={32 * 2**20 + 65536}")


def test_worst_fault_comes_first_and_each_has_its_remedy() -> None:
    """Topics with the same fault are named together, up to three of them."""
    changes = {name: {"min.insync.replicas": "1"} for name in NAMES} | {EVENTS: {"min.insync.replicas": "4"}}
    finding: Finding = topics.replication(SETTINGS, cluster(), configured(changes))
    assert finding.status is Status.FAIL
    first, second = finding.detail.split("; ")
    assert first.startswith(f"{EVENTS}: ")
    assert second.startswith(f"{NAMES[0]}, {NAMES[1]} and {len(NAMES) - 3} more: ")
    assert finding.remedy is not None
    assert finding.remedy.splitlines() == [
        (
            "kafka-configs --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name journey.ads "
            "--add-config min.insync.replicas=2"
        ),
        (
            "kafka-configs --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name orders.completed "
            "--add-config min.insync.replicas=2"
        ),
    ]
