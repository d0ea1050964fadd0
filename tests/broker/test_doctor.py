"""`journeys doctor` on a real broker, a real registry and the stand-in API."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fastjsonschema
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # undeclared
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions
from tests.broker.shop import KEY
from tests.broker.workers import until

from journeys.cli import main
from journeys.doctor.report import SCHEMA
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.config import consumer_config, membership
from journeys.settings import Settings, load
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.stack.stack import Stack


@dataclass
class Patient:
    """A set of settings in the environment, to be examined."""

    namespace: str
    stack: Stack
    capsys: pytest.CaptureFixture[str]

    @property
    def settings(self) -> Settings:
        """The settings that the command loads."""
        return load(None, os.environ)

    def topic(self, end: str) -> str:
        """The name of a topic."""
        return f"{self.namespace}{end}"

    def examine(self, *options: str, code: int) -> dict[str, dict[str, Any]]:
        """The checks of a report by id, apart from those that are well. The report matches its schema."""
        assert main(["doctor", "--json", *options]) == code
        report = json.loads(self.capsys.readouterr().out)
        fastjsonschema.compile(json.loads(SCHEMA.read_text("utf-8")))(report)
        return {check["id"]: check for check in report["checks"] if check["status"] != "ok"}


@pytest.fixture
def patient(
    stack: Stack, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Patient]:
    """Names for this test alone. No topic and no schema exists yet."""
    with StandInThread(ApiSettings(key=KEY)) as api:
        for name, value in {
            **stack.environment,
            "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}group",
            "JOURNEYS_KAFKA__INSTANCE_ID": "pod-1",
            "JOURNEYS_ORDERS__TOPICS": f"{namespace}orders",
            "JOURNEYS_ORDERS__RETRY_PREFIX": f"{namespace}retry.",
            "JOURNEYS_ORDERS__DEAD_LETTER": f"{namespace}dead-letter",
            "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"{namespace}journey.",
            "JOURNEYS_API__BASE_URL": api.url,
            "JOURNEYS_API__KEY": KEY,
            "JOURNEYS_PUBLISH__NATIVE": "false",  # there may be no compiler
        }.items():
            monkeypatch.setenv(name, value)
        yield Patient(namespace, stack, capsys)


def test_fix_makes_a_new_cluster_ready(patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    """Before, topics and schemas are missing. Afterwards only the copies are worth a warning, since one broker runs."""
    before = patient.examine(code=1)
    failed = {name: check["remedy"] for name, check in before.items() if check["status"] == "fail"}
    assert failed == {"topics.present": "journeys topics create", "registry.subjects": "journeys schemas register"}
    assert patient.examine("--fix", "--yes", code=0).keys() == {"topics.replication"}
    assert main(["doctor", "--strict"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "25 checks: 24 ok, 1 warn"
    [release] = [line for line in lines if "Kafka release" in line]
    assert release.startswith("ok       Kafka release     Kafka 4.1, or one that speaks its protocol")


def test_each_fault_is_found_beside_the_others(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing topic, wrong topic settings, a missing subject, a wrong key, a lost offset and a duplicated id."""
    assert main(["topics", "create"]) == main(["schemas", "register"]) == 0
    patient.capsys.readouterr()
    settings, retry = patient.settings, f"{patient.settings.kafka.group_id}.retry"
    admin = AdminClient({"bootstrap.servers": patient.stack.broker.bootstrap_servers})
    [deleted] = admin.delete_topics([patient.topic("journey.email")]).values()
    [grown] = admin.create_partitions([NewPartitions(patient.topic("journey.ads"), 8)]).values()
    wrong = {
        "retry.1h": ("retention.ms", "60000"),
        "journey.direct": ("cleanup.policy", "compact"),
        "dead-letter": ("max.message.bytes", "1000"),
        "journey.other": ("min.insync.replicas", "2"),
    }
    changed = admin.incremental_alter_configs(
        [
            ConfigResource(
                ResourceType.TOPIC,
                patient.topic(end),
                incremental_configs=[ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)],
            )
            for end, (name, value) in wrong.items()
        ]
    )
    for future in (deleted, grown, *changed.values()):
        future.result(30)
    subject = f"{patient.stack.registry.url}/subjects/{patient.topic('journey.ads')}-value"
    urllib.request.urlopen(urllib.request.Request(subject, method="DELETE")).close()  # noqa: S310 - the registry's
    monkeypatch.setenv("JOURNEYS_API__KEY", "wrong")
    twins = [
        Consumer({**membership(settings), **consumer_config(settings, group_id=settings.kafka.group_id)})
        for _ in range(2)
    ]
    try:
        for twin in twins:
            twin.subscribe([patient.topic("orders")])

        def both_are_members() -> bool:
            for twin in twins:
                twin.poll(0.1)
            return all(twin.assignment() for twin in twins)

        until(both_are_members, "two members")
        lost = Consumer(consumer_config(settings, group_id=retry))
        lost.commit(offsets=[TopicPartition(patient.topic("retry.1m"), 0, 99)], asynchronous=False)
        lost.close()
        until(lambda: patient.topic("journey.email") not in KafkaAdmin(settings).topics(), "the end of a topic")
        found = patient.examine("--only-problems", code=1)
    finally:
        for twin in twins:
            twin.close()
    details = {name: check["detail"] for name, check in found.items()}
    assert {name: check["status"] for name, check in found.items()} == {
        "topics.present": "fail",
        "topics.partitions": "fail",
        "topics.replication": "fail",
        "topics.retention": "fail",
        "topics.cleanup": "fail",
        "topics.record_size": "warn",
        "groups.members": "fail",
        "groups.offsets": "fail",
        "registry.subjects": "fail",
        "api.key": "fail",
    }, details
    assert patient.topic("journey.email") in details["topics.present"]
    assert "2 members of" in details["groups.members"]
    assert "have the instance id pod-1" in details["groups.members"]
    assert f"{patient.topic('retry.1m')}/0" in details["groups.offsets"]
    assert "(status-401)" in details["api.key"]
