"""The settings model: defaults, limits, and settings that contradict one another."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import get_args

import pytest
from tests.support.wrong_settings import problems

from journeys.producer.channels import Channel
from journeys.settings import Settings, load
from journeys.settings.loading import env_name, setting_names
from journeys.settings.model import ChannelName


def test_defaults() -> None:
    """Nothing has to be set to try things out on one machine."""
    settings = load(None, {"PATH": "/bin"})
    assert settings == Settings()
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.orders.topics == ("orders.completed",)
    assert settings.api.base_url == "https://data.api.attribuly.com"
    assert settings.api.current_key() is None
    assert settings.api.tzinfo is UTC
    assert settings.ops.port == 8080


def test_tiers_have_topics_and_seconds() -> None:
    """A tier's topic ends in the delay as it was written."""
    settings = load(None, {"JOURNEYS_ORDERS__RETRY_TIERS": "30s, 60m"})
    assert settings.orders.tiers == (("journeys.retry.30s", 30.0), ("journeys.retry.60m", 3600.0))
    assert settings.orders.retry_topics == ("journeys.retry.30s", "journeys.retry.60m")


def test_librdkafka_settings_keep_their_types() -> None:
    """Numbers stay numbers, texts stay texts."""
    given = {"batch.size": 1, "check.crcs": True, "client.id": "1", "queue.buffering.max.ms": 0.5}
    config = load(None, {"JOURNEYS_KAFKA__CONFIG": json.dumps(given)}).kafka.config
    assert config == given
    assert [type(value) for value in config.values()] == [int, bool, str, float]


@pytest.mark.parametrize(
    "key",
    [
        "isolation.level",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "transactional.id",
        "group.id",
        "group.protocol",
        "auto.offset.reset",
        "partition.assignment.strategy",
        "max.in.flight",
        "delivery.report.only.error",
        "partitioner",
        "bootstrap.servers",
    ],
)
def test_properties_of_exactly_once_are_refused(key: str) -> None:
    """Librdkafka's own settings may not undo the guarantee."""
    assert key in problems({"JOURNEYS_KAFKA__CONFIG": f'{{"{key}": "1"}}'})["JOURNEYS_KAFKA__CONFIG"]


def test_session_times_belong_to_the_broker_under_kip_848() -> None:
    """The client would refuse them later, less clearly."""
    config = {"JOURNEYS_KAFKA__CONFIG": '{"session.timeout.ms": 6000}'}
    assert load(None, config).kafka.config == {"session.timeout.ms": 6000}
    found = problems({**config, "JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer"})
    assert "session.timeout.ms belongs to the broker" in found["JOURNEYS_KAFKA__CONFIG"]


@pytest.mark.parametrize("topic", ["journey.ads", "journey.summary", "journeys.retry.1m", "orders.dead-letter"])
def test_orders_topics_the_worker_writes_to_are_refused(topic: str) -> None:
    """A worker that reads its own output never ends."""
    assert "round in circles" in problems({"JOURNEYS_ORDERS__TOPICS": topic})["JOURNEYS_ORDERS__TOPICS"]


def test_an_order_topic_may_begin_with_the_publish_prefix() -> None:
    """The worker writes only to the topics of channels, summaries and rejected events."""
    assert load(None, {"JOURNEYS_ORDERS__TOPICS": "journey.orders"}).orders.topics == ("journey.orders",)


def test_the_key_comes_from_a_file_and_is_read_anew(tmp_path: Path) -> None:
    """A key that was replaced is found without a restart."""
    file = tmp_path / "key"
    file.write_text("one\n")
    settings = load(None, {"JOURNEYS_API__KEY_FILE": str(file)})
    assert settings.api.current_key() == "one"
    file.write_text("two\n")
    assert settings.api.current_key() == "two"


def test_unusable_key_files_are_named(tmp_path: Path) -> None:
    """Missing, empty, or one key too many."""
    empty = tmp_path / "empty"
    empty.touch()
    name = "JOURNEYS_API__KEY_FILE"
    assert problems({name: str(tmp_path / "none")}) == {name: "cannot be read: No such file or directory"}
    assert problems({name: str(empty)}) == {name: "must hold one line of printable ASCII"}
    assert "leave one of the two out" in problems({name: str(empty), "JOURNEYS_API__KEY": "k"})[name]


def test_channel_names_are_the_producers() -> None:
    """Settings may not import the producer; this holds the two lists together."""
    assert set(get_args(ChannelName)) == {channel.value for channel in Channel}


def test_every_setting_has_a_description() -> None:
    """`config show` and the reference print it."""
    assert [env_name(group, name) for group, name, info in setting_names() if not info.description] == []


def test_auto_rate_and_settle_depend_on_the_server() -> None:
    """`auto` is 20/s and half an hour there, and off anywhere else; what is set holds everywhere."""
    ours = {"JOURNEYS_API__BASE_URL": "http://127.0.0.1:9/"}
    test_server = {"JOURNEYS_API__BASE_URL": "https://DATA-api.test.attribuly.com"}
    own = {"JOURNEYS_API__RATE": "0.5", "JOURNEYS_ORDERS__SETTLE": "90s"}
    off = {"JOURNEYS_API__RATE": "0", "JOURNEYS_ORDERS__SETTLE": "0"}
    found = [load(None, environ) for environ in ({}, test_server, ours, ours | own, off)]
    assert [settings.api.ceiling for settings in found] == [20.0, 20.0, None, 0.5, None]
    assert [settings.settle for settings in found] == [1800.0, 1800.0, 0.0, 90.0, 0.0]


def test_retry_prefix_is_the_groups_name() -> None:
    """Two groups on one cluster share no retry tier, unless both set the same prefix."""
    settings = load(None, {"JOURNEYS_KAFKA__GROUP_ID": "eu", "JOURNEYS_ORDERS__RETRY_TIERS": "1m"})
    assert settings.orders.tiers == (("eu.retry.1m", 60.0),)
    shared = {"JOURNEYS_KAFKA__GROUP_ID": "eu", "JOURNEYS_ORDERS__RETRY_PREFIX": "all."}
    assert load(None, shared).orders.retry_prefix == "all."


def test_group_that_is_no_topic_name_must_set_the_retry_prefix() -> None:
    """Kafka takes any text as the name of a group, but not of a topic."""
    environment = {"JOURNEYS_KAFKA__GROUP_ID": "orders of Köln"}
    problem = "must be set, because the name of the group is no topic name"
    assert problems(environment) == {"JOURNEYS_ORDERS__RETRY_PREFIX": problem}
    assert load(None, environment | {"JOURNEYS_ORDERS__RETRY_PREFIX": "cologne."}).orders.retry_prefix == "cologne."


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({}, "needs JOURNEYS_KAFKA__INSTANCE_ID, a name that stays at a restart"),
        (
            {"JOURNEYS_KAFKA__INSTANCE_ID": "pod-1", "JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer"},
            "works with JOURNEYS_KAFKA__GROUP_PROTOCOL=classic only",
        ),
    ],
)
def test_static_membership_needs_a_name_and_the_classic_protocol(more: dict[str, str], problem: str) -> None:
    """A random name would leave a dead member behind at each start."""
    assert problems({"JOURNEYS_KAFKA__STATIC": "true", **more}) == {"JOURNEYS_KAFKA__STATIC": problem}


@pytest.mark.parametrize("taken", ["start", "replay", "doctor"])
def test_instance_ids_of_other_producers_are_refused(taken: str) -> None:
    """A worker and `journeys dead-letters replay`, say, would fence each other."""
    problem = f"{taken!r} is the name of another producer of this group: choose another one"
    assert problems({"JOURNEYS_KAFKA__INSTANCE_ID": taken}) == {"JOURNEYS_KAFKA__INSTANCE_ID": problem}
    assert load(None, {"JOURNEYS_KAFKA__INSTANCE_ID": f"{taken}-1"}).kafka.instance_id == f"{taken}-1"
