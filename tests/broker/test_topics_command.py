"""`journeys topics create` on a real broker."""

from __future__ import annotations

import json
import os

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from tests.broker.workers import until
from tests.support.json_pages import differences

from journeys.cli import main
from journeys.errors import SetupError
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.topics import order_topics, require
from journeys.settings import Settings, load


@pytest.fixture
def settings(bootstrap_servers: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with topics of this test's own, set in the environment too."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.setenv("JOURNEYS_ORDERS__TOPICS", f"{namespace}orders")
    monkeypatch.setenv("JOURNEYS_ORDERS__RETRY_PREFIX", f"{namespace}retry.")
    monkeypatch.setenv("JOURNEYS_ORDERS__DEAD_LETTER", f"{namespace}dead")
    monkeypatch.setenv("JOURNEYS_PUBLISH__TOPIC_PREFIX", f"{namespace}journey.")
    return load(None, os.environ)


def test_topics_are_created_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run creates no topic, the first run all, the second none; then a worker starts."""
    wanted = [*order_topics(settings), *settings.publish.topics]
    create = ["topics", "create", "--partitions", "2", "--json"]
    answers = []
    for command in ([*create, "--dry-run"], create, create):
        assert main(command) == 0
        answers.append(json.loads(capsys.readouterr().out))
        assert differences("journeys topics create", answers[-1]) == []
    assert [sorted(answer["created"]) for answer in answers] == [sorted(wanted), sorted(wanted), []]
    assert answers[2]["existing"] == wanted
    topics = KafkaAdmin(settings).topics()
    assert {topics[name] for name in wanted} == {2}
    require(settings, topics)


def test_another_partition_count_is_refused(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The command changes nothing, names the partition count it found, and its remedy brings all to one count."""
    assert main(["topics", "create", "--partitions", "2"]) == 0
    assert main(["topics", "create", "--partitions", "4"]) == 1
    answer = capsys.readouterr().err
    assert f"{settings.publish.topic_prefix}ads 2" in answer
    follow_remedy(answer)
    topics = KafkaAdmin(settings).topics()
    assert {topics[name] for name in settings.publish.topics} == {4}
    assert {topics[name] for name in order_topics(settings)} == {2}


def test_a_grown_topic_has_a_remedy(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program adds partitions to one topic of events. The command that the refused start names mends it."""
    assert main(["topics", "create", "--partitions", "2"]) == 0
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    [grown] = admin.create_partitions([NewPartitions(settings.publish.topics[0], 4)]).values()
    grown.result(30)
    until(lambda: KafkaAdmin(settings).topics()[settings.publish.topics[0]] == 4, "the partitions")
    capsys.readouterr()
    with pytest.raises(SetupError) as refused:
        require(settings, KafkaAdmin(settings).topics())
    assert main(["topics", "create"]) == 1
    answer = capsys.readouterr().err
    assert answer.splitlines()[-1] == f"journeys: try: {refused.value.remedy}"
    follow_remedy(answer, "--dry-run")
    assert len(set(KafkaAdmin(settings).topics().values())) > 1
    follow_remedy(answer)
    assert "a later record of an order may be in another partition" in capsys.readouterr().out
    require(settings, KafkaAdmin(settings).topics())


def follow_remedy(answer: str, *options: str) -> None:
    """Run the command that the last line of an error names."""
    command = answer.splitlines()[-1].removeprefix("journeys: try: journeys ").split()
    assert main([*command, *options]) == 0


@pytest.mark.usefixtures("settings")
def test_topic_creation_errors_of_the_broker_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """A single broker refuses three replicas, and the command reports its reason."""
    assert main(["topics", "create", "--replication-factor", "3"]) == 1
    assert "replication" in capsys.readouterr().err.lower()
