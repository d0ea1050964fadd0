"""Which topics there must be, and what `topics create` makes of what exists."""

from __future__ import annotations

import pytest

from journeys.errors import SetupError
from journeys.kafka.topics import (
    TopicPlan,
    misread_topics,
    order_topics,
    plan_topics,
    require,
    set_aside,
)
from journeys.producer import schemas
from journeys.settings import OrdersSettings, Settings, load

ORDERS = ["orders.completed", "journeys.retry.1m", "journeys.retry.10m", "journeys.retry.1h", "orders.dead-letter"]
EVENTS = ["ads", "email", "social-media", "organic-search", "referral", "influencer", "direct", "other"]
JOURNEYS = [f"journey.{end}" for end in (*EVENTS, "summary", "rejected")]


def planned(
    existing: dict[str, int], *, partitions: int | None = 6, grow: bool = False, replication_factor: int = 1
) -> TopicPlan:
    """The plan for a retention of a day."""
    return plan_topics(
        Settings(),
        existing,
        partitions=partitions,
        grow=grow,
        replication_factor=replication_factor,
        retention_ms=86_400_000,
    )


def test_topics_follow_retry_tiers_and_channels() -> None:
    """There is one for each retry tier and channel, and for orders, dead letters, summaries and rejected events."""
    assert order_topics(Settings()) == ORDERS
    assert list(Settings().publish.topics) == JOURNEYS


def test_each_journey_topic_has_a_schema() -> None:
    """The topics here and the schemas of the producer are two lists; they agree."""
    subjects = {schemas.subject("journey.", name) for name in schemas.RECORDS}
    assert {f"{topic}-value" for topic in JOURNEYS} == subjects


def test_topic_names_follow_the_settings() -> None:
    """A prefix lets two deployments share a cluster."""
    settings = load(
        None,
        {
            "JOURNEYS_PUBLISH__TOPIC_PREFIX": "eu.journey.",
            "JOURNEYS_ORDERS__RETRY_TIERS": "[]",
            "JOURNEYS_ORDERS__DEAD_LETTER": "eu.dead",
        },
    )
    assert order_topics(settings) == ["orders.completed", "eu.dead"]
    assert "eu.journey.ads" in settings.publish.topics


def test_order_topics_under_the_publish_prefix_are_found() -> None:
    """A consumer of `journey.*` would read them as events."""
    assert misread_topics(Settings()) == []
    environment = {"JOURNEYS_ORDERS__TOPICS": "orders,journey.orders", "JOURNEYS_ORDERS__DEAD_LETTER": "journey.dead"}
    assert misread_topics(load(None, environment)) == ["journey.orders", "journey.dead"]


def test_missing_topics_are_created() -> None:
    """All get the same partition count, and retention instead of compaction."""
    work = planned({"something.else": 1})
    assert [spec.name for spec in work.create] == ORDERS + JOURNEYS
    assert {spec.partitions for spec in work.create} == {6}
    assert dict(work.create[0].config) == {"cleanup.policy": "delete", "retention.ms": "86400000"}
    assert (work.existing, work.grow) == ((), {})


def test_three_replicas_get_two_in_sync() -> None:
    """So one broker may be lost without an acknowledged record."""
    assert planned({}, replication_factor=3).create[0].config["min.insync.replicas"] == "2"


def test_existing_topics_are_left_alone() -> None:
    """A second run creates nothing."""
    work = planned(dict.fromkeys(ORDERS + JOURNEYS, 6))
    assert work.create == ()
    assert list(work.existing) == ORDERS + JOURNEYS


def test_order_topics_may_have_any_partition_count() -> None:
    """They belong to the programs that write orders."""
    assert planned({"orders.completed": 3}).existing == ("orders.completed",)


def test_new_topics_get_the_partition_count_of_the_topics_of_events() -> None:
    """Without a count, a second run never contradicts the first."""
    for existing, count in (({}, 6), ({"orders.completed": 9}, 6), ({"journey.ads": 3}, 3)):
        assert {spec.partitions for spec in planned(existing, partitions=None).create} == {count}


@pytest.mark.parametrize(
    ("existing", "partitions", "grow", "remedy"),
    [
        ({"journey.ads": 3, "journey.email": 6}, 6, False, "--partitions 6 --grow"),
        ({"journey.ads": 3, "journey.email": 4}, None, False, "--partitions 4 --grow"),
        ({"journey.ads": 3, "journey.email": 4}, 2, True, "--partitions 4 --grow"),
        ({"journey.ads": 9, "journey.email": 9}, 6, True, "--partitions 9"),
    ],
)
def test_unequal_partition_counts_create_nothing(
    existing: dict[str, int], partitions: int | None, grow: bool, remedy: str
) -> None:
    """Unequal counts would break joins silently. Kafka takes no partition away, so the largest count is the remedy."""
    with pytest.raises(SetupError, match=r"there are: journey\.ads \d") as caught:
        planned(existing, partitions=partitions, grow=grow)
    assert caught.value.remedy == f"journeys topics create {remedy}"


def test_grown_topics_of_events_have_one_count() -> None:
    """The plan brings smaller topics and new ones to the count that is asked for, and leaves others alone."""
    work = planned({"orders.completed": 2, "journey.ads": 3, "journey.email": 4}, partitions=4, grow=True)
    assert work.grow == {"journey.ads": 4}
    assert work.existing == ("orders.completed", "journey.email")
    assert {spec.partitions for spec in work.create} == {4}


def test_missing_topics_are_refused_at_start() -> None:
    """The error names each topic and the command that creates them."""
    existing = dict.fromkeys(ORDERS + JOURNEYS, 6)
    require(Settings(), existing)
    del existing["journeys.retry.1m"], existing["journey.summary"]
    with pytest.raises(SetupError, match=r"missing: journeys\.retry\.1m, journey\.summary") as caught:
        require(Settings(), existing)
    assert caught.value.remedy == "journeys topics create"


def test_missing_order_topic_may_be_misspelt() -> None:
    """If all other topics exist, the remedy asks for the spelling: a new topic would stay empty."""
    existing = dict.fromkeys(ORDERS + JOURNEYS, 6)
    settings = Settings(orders=OrdersSettings(topics=("orders.complete",)))
    for found, said in ((existing, "if JOURNEYS_ORDERS__TOPICS is spelt right"), ({}, "journeys topics create")):
        with pytest.raises(SetupError, match=r"orders\.complete") as caught:
            require(settings, found)
        assert (caught.value.remedy or "").endswith(said)


def test_unequal_partition_counts_are_refused_at_start() -> None:
    """The error shows all counts, what more partitions mean for keys, and the command that brings them to one."""
    existing = dict.fromkeys(ORDERS + JOURNEYS, 6) | {"journey.ads": 8}
    with pytest.raises(SetupError, match=r"journey\.ads 8, journey\.email 6.* More partitions move keys") as caught:
        require(Settings(), existing)
    assert caught.value.remedy == "journeys topics create --partitions 8 --grow"


def test_topic_to_set_letters_aside_takes_every_order_message() -> None:
    """As the topic of the dead letters does; with three copies, one broker may fail."""
    spec = set_aside("orders.aside", partitions=4, replication_factor=3)
    [dead] = [each for each in planned({}, replication_factor=3).create if each.name == "orders.dead-letter"]
    assert (spec.name, spec.partitions, spec.replication_factor) == ("orders.aside", 4, 3)
    assert spec.config == {**dead.config, "retention.ms": str(30 * 86_400_000)}
