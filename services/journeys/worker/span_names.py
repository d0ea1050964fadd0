"""The names of our spans and of their attributes: OpenTelemetry's semantic conventions, version 1.44.0.

A later version renames some of them. A collector can translate them, because each span names the version by its
schema URL.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"


class SpanName(StrEnum):
    """The names of spans. The span of an order adds the topic of its message, as the conventions ask."""

    ORDER = "process"
    PAGE = "fetch page"
    TRANSACTION = "send"


class Convention(StrEnum):
    """Attributes of the semantic conventions."""

    SYSTEM = "messaging.system"
    OPERATION_NAME = "messaging.operation.name"
    OPERATION_TYPE = "messaging.operation.type"
    TOPIC = "messaging.destination.name"
    PARTITION = "messaging.destination.partition.id"
    """A string, unlike the offset."""
    OFFSET = "messaging.kafka.offset"
    GROUP = "messaging.consumer.group.name"
    BATCH = "messaging.batch.message_count"
    """Records in a transaction, those of orders that are not traced included."""
    SERVER = "server.address"
    PORT = "server.port"
    ERROR = "error.type"
    """The reason of a failure, as in metrics and headers."""
    SERVICE = "service.name"
    VERSION = "service.version"
    INSTANCE = "service.instance.id"


class Own(StrEnum):
    """Attributes of our own."""

    ORDER_ID = "journeys.order_id"
    EDITION = "journeys.edition"
    ATTEMPT = "journeys.attempt"
    """How many retry tiers the order has been through."""
    OUTCOME = "journeys.outcome"
    """Of an order: `published`, `retried` or `dead-lettered`. Of a transaction: `committed`, `aborted` or `unknown`."""
    RECORDS = "journeys.records"
    """Records that an order became."""
    PAGE = "journeys.page"
    """The number of the requested page, counted from 1."""
