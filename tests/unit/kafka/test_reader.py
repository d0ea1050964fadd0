"""Errors of the partition reader; reading itself is tested on a real broker."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from tests.support.librdkafka import FATAL

from journeys.errors import HaltError, SettingsError
from journeys.kafka.reader import PartitionReader, _check


def test_unknown_setting_is_refused() -> None:
    """The error gives the reason of librdkafka and the name of our setting."""
    with pytest.raises(SettingsError, match="JOURNEYS_KAFKA__CONFIG"):
        PartitionReader({"group.id": "g", "no.such.thing": 1})


@pytest.mark.parametrize(
    ("code", "acl"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Read on the topic"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "use the group journeys.replay"),
    ],
)
def test_missing_acl_halts(code: int, acl: str) -> None:
    """The error names the ACL that is missing, and the group."""
    with pytest.raises(HaltError, match=acl):
        _check("orders.dead-letter", KafkaError(code), "journeys.replay")


def test_fatal_error_halts() -> None:
    """The client cannot be used any more."""
    with pytest.raises(HaltError, match=r"orders\.dead-letter cannot be read"):
        _check("orders.dead-letter", FATAL, "journeys.replay")


def test_passing_error_is_ignored() -> None:
    """The client tries again by itself."""
    _check("orders.dead-letter", KafkaError(KafkaError._TRANSPORT), "journeys.replay")
