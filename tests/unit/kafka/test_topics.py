"""Which topics there must be, and what `topics create` makes of what exists."""

from __future__ import annotations

import pytest

from journeys.errors import SetupError
from journeys.kafka.topics import Plan, journey_topics, order_topics, plan, require
from journeys.producer import schemas
from journeys.settings import OrdersSettings, Settings, load

ORDERS = ["orders.completed", "orders.retry.1m", "orders.retry.10m", "orders.retry.1h", "orders.dead-letter"]
EVENTS = ["ads", "email", "social-media", "organic-search", "referral", "influencer", "direct", "other"]
JOURNEYS = [f"journey.{end}" for end in (*EVENTS, "summary", "rejected")]


def planned(existing: dict[str, int], *, replication_factor: int = 1) -> Plan:
    """The plan for six partitions and a day."""
    return plan(Settings(), existing, partitions=6, replication_factor=replication_factor, retention_ms=86_400_000)


def test_the_topics_are_those_of_orders_and_of_events() -> None:
    """A topic for each retry tier, for each channel, and the four beside them."""
    assert order_topics(Settings()) == ORDERS
    assert journey_topics(Settings()) == JOURNEYS


def test_each_topic_of_events_has_a_schema() -> None:
    """Two lists, of topics here and of schemas there, hold the same."""
    subjects = {schemas.subject("journey.", name) for name in schemas.RECORDS}
    assert {f"{topic}-value" for topic in JOURNEYS} == subjects


def test_names_follow_the_settings() -> None:
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
    assert "eu.journey.ads" in journey_topics(settings)


def test_all_is_created_where_nothing_exists() -> None:
    """Each with the same partitions, and deleted after a while rather than compacted."""
    work = planned({"something.else": 1})
    assert [spec.name for spec in work.create] == ORDERS + JOURNEYS
    assert {spec.partitions for spec in work.create} == {6}
    assert dict(work.create[0].config) == {"cleanup.policy": "delete", "retention.ms": "86400000"}
    assert (work.existing, work.problem, work.remedy) == ((), None, None)


def test_three_copies_need_two_to_acknowledge() -> None:
    """One broker may be lost with nothing that was acknowledged."""
    assert planned({}, replication_factor=3).create[0].config["min.insync.replicas"] == "2"


def test_what_exists_is_left_alone() -> None:
    """A second run creates nothing."""
    work = planned(dict.fromkeys(ORDERS + JOURNEYS, 6))
    assert work.create == ()
    assert list(work.existing) == ORDERS + JOURNEYS


def test_topics_of_orders_may_have_any_partition_count() -> None:
    """They belong to whoever writes orders."""
    assert planned({"orders.completed": 3}).problem is None


def test_another_partition_count_is_a_problem_and_nothing_is_created() -> None:
    """Unequal counts would break joins silently."""
    work = planned({"journey.ads": 3, "journey.email": 6})
    assert work.create == ()
    assert work.problem is not None
    assert work.problem.endswith("6 were asked for, but there are: journey.ads 3")
    assert work.remedy == "journeys topics create --partitions 3"


def test_there_is_no_remedy_for_topics_that_differ_among_themselves() -> None:
    """No partition count would suit them all."""
    assert planned({"journey.ads": 3, "journey.email": 4}).remedy is None


def test_a_worker_is_told_what_is_missing() -> None:
    """Each topic is named, and so is the command."""
    existing = dict.fromkeys(ORDERS + JOURNEYS, 6)
    require(Settings(), existing)
    del existing["orders.retry.1m"], existing["journey.summary"]
    with pytest.raises(SetupError, match=r"missing: orders\.retry\.1m, journey\.summary") as caught:
        require(Settings(), existing)
    assert caught.value.remedy == "journeys topics create"


def test_a_missing_topic_of_orders_may_be_misspelt() -> None:
    """Where the others are there; made anew, it would stay empty."""
    existing = dict.fromkeys(ORDERS + JOURNEYS, 6)
    settings = Settings(orders=OrdersSettings(topics=("orders.complete",)))
    for found, said in ((existing, "if JOURNEYS_ORDERS__TOPICS is spelt right"), ({}, "journeys topics create")):
        with pytest.raises(SetupError, match=r"orders\.complete") as caught:
            require(settings, found)
        assert (caught.value.remedy or "").endswith(said)


def test_a_worker_is_told_of_unequal_partition_counts() -> None:
    """With the counts, so that the odd one is seen."""
    existing = dict.fromkeys(ORDERS + JOURNEYS, 6) | {"journey.ads": 3}
    with pytest.raises(SetupError, match=r"journey\.ads 3, journey\.email 6"):
        require(Settings(), existing)
