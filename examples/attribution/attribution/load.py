"""Loads the topics into the database, each committed record exactly once.

One DuckDB transaction writes the rows of a batch and the offsets where the next batch begins. So a loader that dies
continues after its last commit. DuckDB lets one process write, so there is one loader, which reads all partitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import duckdb
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer

from attribution.database import CHANNELS, insert, transaction

Row: TypeAlias = tuple[Any, ...]
Place: TypeAlias = tuple[str, int]
"""Topic and partition."""

SUMMARY: Final = "summary"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_PATIENCE_S: Final = 60.0
"""Kafka and the registry may be silent for so long. The registry's client has no time-out of its own."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The addresses of Kafka and the registry, and the prefix of the topics."""

    bootstrap_servers: str
    registry_url: str
    prefix: str = "journey."
    group: str = "attribution"
    """Kafka shows the loader's lag under this name. The offsets that count are in the database."""
    kafka: Mapping[str, str] = field(default_factory=dict)
    """More settings of librdkafka, such as a login."""
    registry: Mapping[str, Any] = field(default_factory=dict)
    """More settings of the registry's client."""


def load(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    *,
    batch_size: int = 10_000,
    progress: Callable[[int], None] = lambda _count: None,
) -> int:
    """Load all records that are committed in Kafka and not here yet; returns how many there were.

    `progress` gets this number after each batch. Raises KafkaException if Kafka cannot be read, LookupError if it has
    no such topics or has deleted records that were never loaded, and ValueError if a record cannot be decoded.
    """
    count = 0
    with (
        closing(_consumer(source)) as consumer,
        SchemaRegistryClient({"url": source.registry_url, "timeout": _PATIENCE_S, **source.registry}) as registry,
    ):
        deserialize = AvroDeserializer(registry)
        unread = _assign(consumer, connection, source.prefix)
        deadline = time.monotonic() + _PATIENCE_S
        while unread:
            messages = consumer.consume(batch_size, timeout=0.25)
            records = [message for message in messages if not _ends(message, unread)]
            if records:
                offsets = _store(connection, source.prefix, records, deserialize)
                ends = [TopicPartition(*place, offset) for place, offset in offsets.items()]
                consumer.commit(offsets=ends, asynchronous=False)
                count += len(records)
                progress(count)
            if messages:
                deadline = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no answer for {_PATIENCE_S:g} s"))
    return count


def event_row(channel: str, datum: Mapping[str, Any]) -> Row:
    """The row of `events` for a decoded event. Personal data is left out.

    The campaign is the one of the ad or the influencer, because invoices name that one; else it is `event_campaign`.
    """
    ad, creator = datum.get("ad") or {}, datum.get("creator") or {}
    campaign = ad.get("campaign_name") or creator.get("creator_campaign") or datum["event_campaign"] or ""
    return (
        *_identity(datum),
        datum["position"],
        channel,
        campaign,
        _ms(datum["event_at"]),
        (datum["checkout_completed"] or {}).get("other_order_id"),
        creator.get("creator_id"),
        _digits(creator.get("creator_cost")),
    )


def summary_row(datum: Mapping[str, Any]) -> Row:
    """The row of `summaries` for a decoded summary. An empty currency becomes null."""
    return (
        *_identity(datum),
        sum(datum["expected"].values()),
        datum["conversion_seen"],
        _digits(datum["order_total"]),
        datum["order_currency"] or None,
        _digits(datum["order_shop_currency_total"]),
        datum["shop_currency"] or None,
    )


def store(
    connection: duckdb.DuckDBPyConnection, events: list[Row], summaries: list[Row], offsets: Mapping[Place, int]
) -> None:
    """Write rows and offsets in one transaction."""
    with transaction(connection):
        insert(connection, "events", events)
        insert(connection, "summaries", summaries)
        for place, offset in offsets.items():
            connection.execute("insert or replace into offsets values (?, ?, ?)", [*place, offset])


def _consumer(source: Source) -> Consumer:
    return Consumer(
        {
            **source.kafka,
            "bootstrap.servers": source.bootstrap_servers,
            "group.id": source.group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 2,
        }
    )


def _assign(consumer: Consumer, connection: duckdb.DuckDBPyConnection, prefix: str) -> set[Place]:
    """Read every partition from the offset in the database, or else from its beginning. Returns the partitions."""
    topics = consumer.list_topics(timeout=10).topics
    if f"{prefix}{SUMMARY}" not in topics:
        raise LookupError(f"there is no topic {prefix}{SUMMARY}: is {prefix!r} the prefix of the topics?")
    names = [f"{prefix}{end}" for end in (*CHANNELS, SUMMARY) if f"{prefix}{end}" in topics]
    places = [(name, number) for name in names for number in topics[name].partitions]
    rows = connection.execute("select topic, partition_number, next_offset from offsets").fetchall()
    known = {(topic, number): offset for topic, number, offset in rows}
    consumer.assign([TopicPartition(*place, known.get(place, OFFSET_BEGINNING)) for place in places])
    return set(places)


def _ends(message: Message, unread: set[Place]) -> bool:
    """Whether the message is the end of its partition. Raises KafkaException if it is an error."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise LookupError(f"{message.topic()}: Kafka deleted records that were not loaded: load into a new database")
    if error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    unread.discard(_place(message))
    return True


def _store(
    connection: duckdb.DuckDBPyConnection, prefix: str, records: list[Message], deserialize: AvroDeserializer
) -> dict[Place, int]:
    """Decode records and write them. Returns the offsets where their partitions go on."""
    events, summaries, offsets = [], [], {}
    for record in records:
        topic, partition = _place(record)
        offsets[topic, partition] = (record.offset() or 0) + 1
        try:
            datum: Any = deserialize(record.value())
        except Exception as error:  # the registry's client also raises the errors of its HTTP library
            place = f"{topic}, partition {partition}, offset {record.offset()}"
            raise ValueError(f"cannot decode the record at {place}: {error}") from error
        if datum is None:
            continue  # a deleted key of a compacted topic
        channel = topic.removeprefix(prefix)
        if channel == SUMMARY:
            summaries.append(summary_row(datum))
        else:
            events.append(event_row(channel, datum))
    store(connection, events, summaries, offsets)
    return offsets


def _place(message: Message) -> Place:
    return message.topic() or "", message.partition() or 0


def _identity(datum: Mapping[str, Any]) -> Row:
    return datum["account"], datum["order_id"], datum["edition"], _ms(datum["fetched_at"])


def _ms(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MILLISECOND


def _digits(amount: Decimal | None) -> str | None:
    """The amount as text, because a list of decimals has one precision for all in DuckDB."""
    return None if amount is None else f"{amount:f}"
