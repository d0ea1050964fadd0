"""Reading librdkafka's errors, and its log lines."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError
from tests.support.librdkafka import FATAL, FATAL_PRODUCE, FATAL_TRANSACTION, REFUSED_JOINS

from journeys.kafka_errors import LOGGER, described, is_fatal


def test_fatal_errors_are_recognized_in_both_forms() -> None:
    """`poll` and `produce` give the code `_FATAL`, a transactional call gives `fatal()`; a refused join is neither."""
    assert [is_fatal(error) for error in (FATAL, FATAL_PRODUCE, FATAL_TRANSACTION)] == [True, True, True]
    assert not any(is_fatal(error) for error in REFUSED_JOINS.values())


def test_description_has_name_and_text() -> None:
    """Both help a search on the web."""
    assert described(KafkaError(KafkaError._TIMED_OUT, "late")) == "_TIMED_OUT: late"


def test_certificate_that_is_not_trusted_may_have_expired() -> None:
    """The library asks only for the right authority (`ssl.ca.location`)."""
    refused = KafkaError(KafkaError._SSL, "SSL handshake failed: certificate verify failed: broker certificate …")
    assert described(refused).endswith("; has the certificate of the broker expired?")


def test_commands_write_no_log_line_of_librdkafka(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python writes a warning to stderr if its logger has no handler. A command sets up no logging."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logging.getLogger("other").warning("seen")
    LOGGER.warning("GETPID [%s] %s", "rdkafka#producer-1", "Coordinator load in progress")
    assert capsys.readouterr().err == "seen\n"
