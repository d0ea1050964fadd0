"""Errors of the order writer; writing itself is tested on a real broker."""

from __future__ import annotations

import pytest

from journeys.errors import SettingsError
from journeys.kafka.writer import OrderWriter

NO_BROKER = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


def test_unknown_setting_is_refused() -> None:
    """The error gives the reason of librdkafka and the name of our setting."""
    with pytest.raises(SettingsError, match="JOURNEYS_KAFKA__CONFIG"):
        OrderWriter({"no.such.thing": 1}, "orders")


def test_order_that_kafka_does_not_acknowledge_in_time_is_reported() -> None:
    """Its callback gets the reason, and the end of the block does not wait for others."""
    reasons: list[str | None] = []
    config = {**NO_BROKER, "message.timeout.ms": 1, "queue.buffering.max.messages": 2, "linger.ms": 0}
    with OrderWriter(config, "orders") as writer:
        for _ in range(3):  # the third waits until the queue has room again
            writer.write(b"k", b"v", reasons.append)
        while not writer.flush():
            pass
    assert len(reasons) == 3
    assert all(reason is not None and "_MSG_TIMED_OUT" in reason for reason in reasons)
