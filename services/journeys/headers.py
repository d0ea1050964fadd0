"""Every record header that we write, read or strip, defined once.

A header that joins a class here is written, overwritten and stripped with the others of that class.
"""

from __future__ import annotations

from enum import StrEnum


class RetryHeader(StrEnum):
    """Headers of a record in a retry tier, beside those of the order message. Numbers are written in decimal."""

    ACCOUNT = "account"
    EDITION = "edition"
    """`topic/partition/offset` of the order message."""
    ORDER_TIMESTAMP = "order-timestamp"
    """When the order message was written, milliseconds since the epoch; absent where it has no timestamp."""
    ATTEMPT = "attempt"
    """How often the order has been sent to a retry tier."""
    ABSENCES = "absences"
    """How many of these attempts found no journey."""
    NOT_BEFORE = "not-before"
    """When the order is due, milliseconds since the epoch."""
    REASON = "retry-reason"
    FETCHED_AT = "fetched-at"
    """No reading of the order so far has a later `fetched_at`, milliseconds since the epoch."""
    REVISION = "revision"
    """Which re-reading of the order message this is; 0 is the first reading."""
    GROUP = "retry-group"
    """The consumer group whose workers try the order again. Other groups may read the same retry tiers."""


class ErrorHeader(StrEnum):
    """Headers of a dead letter, beside those of the order message."""

    REASON = "error-reason"
    STAGE = "error-stage"
    MESSAGE = "error-message"
    ATTEMPTS = "error-attempts"
    TOPIC = "error-topic"
    PARTITION = "error-partition"
    OFFSET = "error-offset"
    TIME = "error-time"
    """When the order was given up, milliseconds since the epoch."""
    FETCHED_AT = "error-fetched-at"
    """As `fetched-at`; absent if the message names no order."""
    GROUP = "error-group"
    """The consumer group of the worker that gave the order up."""
    LEFT_OUT = "error-left-out"
    """Bytes of the key and value that were left out, because Kafka refused the whole letter as too large."""


class ReplayHeader(StrEnum):
    """Headers of a replayed order message, beside its own. They stay through retries and dead letters."""

    COUNT = "replay-count"
    """How often this order was replayed."""
    FETCHED_AT = "replay-fetched-at"
    """As `fetched-at`, when the order was replayed last; absent if the letter named no order."""


class TraceHeader(StrEnum):
    """Headers of an order message, and of each record that a traced order becomes: W3C Trace Context."""

    PARENT = "traceparent"
    """The span that the reader's own spans belong to. It replaces the header of the order message."""


class RecordHeader(StrEnum):
    """Headers of a published record. Those that are null in the record are absent."""

    EVENT_ID = "event_id"
    EVENT_TYPE = "event_type"
    ORDER_ID = "order_id"
    ACCOUNT = "account"
    EDITION = "edition"
    REVISION = "revision"
    POSITION = "position"
    SCHEMA = "schema"
    """The name of the record's Avro schema, such as `AdsEvent`."""
