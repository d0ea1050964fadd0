"""Rules about the brokers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from journeys.doctor import brokers
from journeys.doctor.report import Status
from journeys.kafka.cluster import Cluster
from journeys.settings import load


def cluster(apis: Mapping[int, int]) -> Cluster:
    """Three brokers with these APIs."""
    return Cluster(brokers=3, apis=apis, topics={})


def test_brokers_are_counted_without_their_credentials() -> None:
    """The address may hold some."""
    settings = load(None, {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": "SASL_SSL://me:s3cret@kafka:9092"})
    assert brokers.answer(settings, cluster({})).detail == "3 brokers, asked at SASL_SSL://***@kafka:9092"


@pytest.mark.parametrize(
    ("apis", "protocol", "status", "text"),
    [
        ({0: 13, 1: 18, 68: 1}, "consumer", Status.OK, "Kafka 4.1"),
        ({0: 9, 1: 12, 11: 7}, "classic", Status.OK, "Kafka 2.8"),
        ({0: 9, 1: 12, 11: 7}, "consumer", Status.FAIL, "do not offer the group protocol"),
        ({0: 8, 11: 5}, "classic", Status.FAIL, "older than Kafka 2.5"),
        ({}, "classic", Status.WARN, "do not say"),
    ],
)
def test_old_brokers_and_a_missing_group_protocol_fail(
    apis: dict[int, int], protocol: str, status: Status, text: str
) -> None:
    """A release that is not known is a warning."""
    settings = load(None, {"JOURNEYS_KAFKA__GROUP_PROTOCOL": protocol})
    finding = brokers.release(settings, cluster(apis))
    assert finding.status is status
    assert text in finding.detail
