"""Errors of the admin client; its commands are tested on a real broker."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException, Uuid
from confluent_kafka.admin import TopicDescription  # type: ignore[attr-defined]  # undeclared

from journeys.errors import SetupError
from journeys.kafka.admin import KafkaAdmin, TopicIds, _topic_ids
from journeys.settings import load


def test_connections_closed_before_an_answer_hint_at_tls() -> None:
    """A listener that wants TLS closes a plain connection. librdkafka itself speaks of a transport failure only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_all() -> None:
            with contextlib.suppress(OSError):  # the client resets a connection, and the test closes the listener
                while (client := listener.accept()[0]).recv(1):
                    client.close()

        threading.Thread(target=close_all, daemon=True).start()
        port = listener.getsockname()[1]
        settings = load(None, {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"})
        with pytest.raises(SetupError, match=r"does it want TLS \(security\.protocol\)"):
            KafkaAdmin(settings).topics()


def test_topic_ids_are_told_from_missing_topics_and_from_silence() -> None:
    """A broker older than Kafka 2.8 gives an id of zeros. Without an answer in time nothing is known of a topic."""
    answers: dict[str, Uuid | int] = {
        "orders": Uuid(0x6122C4C8201D4BA0, -0x1FCE3C3B6492B38F),
        "old": Uuid(0, 0),
        "gone": KafkaError.UNKNOWN_TOPIC_OR_PART,
        "hidden": KafkaError.TOPIC_AUTHORIZATION_FAILED,
        "silent": KafkaError._TIMED_OUT,
    }
    futures: dict[str, Future[TopicDescription]] = {}
    for topic, answer in answers.items():
        futures[topic] = Future()
        if isinstance(answer, Uuid):
            futures[topic].set_result(TopicDescription(topic, answer, False, []))
        else:
            futures[topic].set_exception(KafkaException(KafkaError(answer)))
    assert _topic_ids(futures) == TopicIds(
        ids={"orders": "YSLEyCAdS6DgMcPEm21McQ"},
        missing=frozenset({"gone"}),
        without={"old": "the brokers are older than Kafka 2.8", "hidden": "Broker: Topic authorization failed"},
    )
