"""Settings that only librdkafka can judge: the consumer's and the producer's own."""

from __future__ import annotations

import pytest
from tests.support.worker_fakes import FakePublisher, Group

from journeys.consumer.consumer import OrderConsumer
from journeys.errors import SettingsError
from journeys.producer.publisher import Publisher

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


def test_a_consumer_setting_that_is_not_taken_is_a_wrong_setting() -> None:
    """One of the classic protocol does not go with the new one: exit code 2, not a defect."""
    config = {**NOWHERE, "group.id": "g", "group.protocol": "consumer", "session.timeout.ms": 3000}
    with pytest.raises(SettingsError, match=r"JOURNEYS_KAFKA__CONFIG: .*session\.timeout\.ms"):
        OrderConsumer(config, ["orders"])


def test_a_producer_setting_that_is_not_taken_is_a_wrong_setting() -> None:
    """The same on the way out."""
    with pytest.raises(SettingsError, match=r"JOURNEYS_KAFKA__CONFIG: .*queue\.buffering\.max\.ms"):
        Publisher({**NOWHERE, "queue.buffering.max.ms": "soon"}).rebuild(timeout=1)


def test_the_fake_publisher_has_what_the_real_one_has() -> None:
    """It overrides every public method, so that no test talks to Kafka by mistake."""
    public = {name for name in vars(Publisher) if not name.startswith("_")}
    assert public <= set(vars(FakePublisher))
    assert FakePublisher(Group()).published == []
