"""Writing order messages without a worker: an idempotent producer without transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from journeys.errors import HaltError, SettingsError
from journeys.kafka_errors import LOGGER, described

_SLICE_S = 0.5
"""The longest call, in seconds. A signal is handled between two calls."""
_QUEUE_S = 0.1


class OrderWriter(AbstractContextManager["OrderWriter"]):
    """Writes messages to one topic; to be used in a `with` block, by one thread.

    `config` is librdkafka's. Raises SettingsError for a setting that librdkafka does not take. Kafka stores a message
    once, also if librdkafka sends it again (idempotence). At the end of the block, the writer discards messages that
    are still queued.
    """

    def __init__(self, config: Mapping[str, Any], topic: str) -> None:
        self._topic = topic
        try:
            self._producer = Producer(dict(config), logger=LOGGER)
        except KafkaException as error:
            raise SettingsError([("JOURNEYS_KAFKA__CONFIG", error.args[0].str())]) from None

    def __exit__(self, *_: object) -> None:
        self._producer.purge()
        self._producer.flush(_SLICE_S)

    def write(self, key: bytes, value: bytes, delivered: Callable[[str | None], object]) -> None:
        """Queue a message; blocks while the queue is full. `delivered` gets None, or the reason why it failed.

        Raises HaltError if this client cannot go on.
        """

        def report(error: KafkaError | None, _message: Message) -> None:
            delivered(None if error is None else self._reason(error))

        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=report)
            except BufferError:
                self._producer.poll(_QUEUE_S)
            except KafkaException as error:
                raise HaltError(f"{self._topic} cannot be written: {self._reason(error.args[0])}") from error
            else:
                return

    def serve(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for reports of deliveries."""
        self._producer.poll(timeout_s)

    def flush(self) -> bool:
        """Wait for half a second, at most, for all reports. Returns whether none is missing."""
        return self._producer.flush(_SLICE_S) == 0

    def _reason(self, error: KafkaError) -> str:
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return f"this client may not write to {self._topic} (ACL: Write on the topic): {error.str()}"
        return described(error)
