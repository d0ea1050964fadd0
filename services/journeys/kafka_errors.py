"""The meaning of confluent_kafka's KafkaError. Sans-I/O."""

from __future__ import annotations

from confluent_kafka import KafkaError


def is_fatal(error: KafkaError) -> bool:
    """Whether this client can never go on.

    `poll` and `produce` report a fatal error with the code `_FATAL`, whose `fatal()` is False. Transactional calls
    report the original code, with `fatal()` True (measured on librdkafka 2.16; confluentinc/confluent-kafka-python
    #869). `poll` reports it only once, and `error_cb` is not called.
    """
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's own name for its error


def described(error: KafkaError) -> str:
    """The error's name and its text: `INVALID_GROUP_ID: JoinGroup failed: Broker: Invalid group.id`."""
    return f"{error.name()}: {error.str()}"
