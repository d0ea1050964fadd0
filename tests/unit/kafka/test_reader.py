"""Errors of the partition reader; reading itself is tested on a real broker."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from tests.support.librdkafka import FATAL

from journeys.errors import HaltError, SettingsError
from journeys.kafka.reader import PartitionReader, _check, outsider_metadata


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


class YoungCoordinator:
    """librdkafka's consumer, whose coordinator needs so many seconds until it answers. Each poll takes its time-out."""

    def __init__(self, needs_s: float) -> None:
        self.now = 0.0
        self._needs_s = needs_s

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """The offset 7, once the coordinator answers. librdkafka does not call this error retriable (measured)."""
        assert timeout > 0
        if self.now < self._needs_s:
            raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
        return [TopicPartition(at.topic, at.partition, 7) for at in partitions]

    def poll(self, timeout: float) -> None:
        """No message."""
        self.now += timeout

    def close(self) -> None:
        """Nothing to leave."""


def committed(consumer: Any) -> tuple[int, str] | None:
    """The answer of a reader with the patience of a second."""
    with PartitionReader(
        {"group.id": "g"}, consumer=lambda *_, **__: consumer, monotonic=lambda: consumer.now
    ) as reader:
        return reader.committed("orders", 0, patience_s=1.0)


def test_coordinator_that_does_not_answer_yet_is_asked_again() -> None:
    """The first group of a new broker waits for its coordinator, within bounds."""
    assert committed(YoungCoordinator(0.5)) == (7, "")
    with pytest.raises(TimeoutError, match="NOT_COORDINATOR"):
        committed(YoungCoordinator(5.0))


def test_outsider_has_a_member_id() -> None:
    """The id is another one each time. Without a broker, the metadata is there at once."""
    assert repr(outsider_metadata("g")) != repr(outsider_metadata("g"))
