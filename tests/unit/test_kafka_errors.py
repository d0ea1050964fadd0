"""Reading librdkafka's errors."""

from __future__ import annotations

from confluent_kafka import KafkaError
from tests.support.librdkafka import FATAL, FATAL_PRODUCE, FATAL_TRANSACTION, REFUSED_JOINS

from journeys.kafka_errors import described, is_fatal


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
