"""The meaning of confluent_kafka's KafkaError, and what its clients share: a logger, and a topic to ask about."""

from __future__ import annotations

import logging
from typing import Final

from confluent_kafka import KafkaError

LOGGER: Final = logging.getLogger("librdkafka")
"""Takes the log lines of a client. A worker writes them (`logs`). Commands do not: they report an error in one line."""
LOGGER.addHandler(logging.NullHandler())  # else Python writes warnings to stderr

ANY_TOPIC: Final = "__consumer_offsets"
"""A topic to ask about if only an answer matters. It is small, even if it denies access; about all topics, it may have
megabytes."""

_NOT_TRUSTED: Final = "certificate verify failed"
"""OpenSSL's words for each fault of a broker's certificate. librdkafka adds advice about `ssl.ca.location` alone."""


def is_fatal(error: KafkaError) -> bool:
    """Whether this client can never go on.

    `poll` and `produce` report a fatal error with the code `_FATAL`, whose `fatal()` is False. Transactional calls
    report the original code, with `fatal()` True (measured on librdkafka 2.16; confluentinc/confluent-kafka-python
    #869). `poll` reports it only once, and `error_cb` is not called.
    """
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's own name for its error


def described(error: KafkaError) -> str:
    """The error's name and its text: `INVALID_GROUP_ID: JoinGroup failed: Broker: Invalid group.id`.

    For a broker's certificate that is not trusted, the text also asks whether it has expired: librdkafka does not say
    which fault it has (measured on librdkafka 2.16).
    """
    text = f"{error.name()}: {error.str()}"
    return f"{text}; has the certificate of the broker expired?" if _NOT_TRUSTED in text else text
