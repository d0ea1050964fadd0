"""Helpers for tests on a real broker: create topics, produce orders, read back committed records."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from journeys.model import Headers

_LEADER_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One committed record, as read back."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> str | None:
        """The last value of a header as text, or None."""
        return next((value.decode() for key, value in reversed(self.headers) if key == name and value), None)


def create_topics(
    bootstrap_servers: str, *names: str, partitions: int = 6, config: Mapping[str, str] | None = None
) -> None:
    """Create topics, and wait until the broker leads all their partitions."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    topics = [
        NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {})) for name in names
    ]
    for future in admin.create_topics(topics).values():
        future.result(30)
    end_offsets(admin, names)


def produce_with_header(bootstrap_servers: str, topic: str, order: bytes, header: bytes) -> None:
    """Put an order message with a header of this name into partition 0, once it is acknowledged.

    confluent_kafka takes only names that are UTF-8, as Java's clients do; librdkafka, below it, takes any.
    """
    [path] = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "librdkafka" in line}
    kafka, pointer, text = ctypes.CDLL(path), ctypes.c_void_p, ctypes.create_string_buffer(512)
    for made in (kafka.rd_kafka_conf_new, kafka.rd_kafka_new, kafka.rd_kafka_headers_new):
        made.restype = pointer
    settings, headers = pointer(kafka.rd_kafka_conf_new()), pointer(kafka.rd_kafka_headers_new(ctypes.c_size_t(1)))
    kafka.rd_kafka_conf_set(settings, b"bootstrap.servers", bootstrap_servers.encode(), text, ctypes.c_size_t(512))
    producer = pointer(kafka.rd_kafka_new(0, settings, text, ctypes.c_size_t(512)))
    kafka.rd_kafka_header_add(headers, header, ctypes.c_ssize_t(len(header)), b"x", ctypes.c_ssize_t(1))
    end, of_topic, of_partition, of_value, of_headers = 0, 1, 3, 4, 10  # rd_kafka_vtype_t
    failed = kafka.rd_kafka_producev(
        *(producer, of_topic, topic.encode(), of_partition, ctypes.c_int32(0)),
        *(of_value, order, ctypes.c_size_t(len(order)), of_headers, headers, end),
    )
    left = kafka.rd_kafka_flush(producer, 20_000)
    kafka.rd_kafka_destroy(producer)
    if failed or left:
        raise AssertionError(f"librdkafka says {failed}, and {left} are left")


def produce_orders(
    bootstrap_servers: str,
    topic: str,
    orders: Iterable[str | bytes | None],
    *,
    partitions: int | None = None,
    headers: list[tuple[str, str | bytes | None]] | None = None,
    timestamp_ms: int = 0,
    compression: str = "none",
) -> int:
    """Put order messages in and return how many, once every one is acknowledged.

    With `partitions` they go round-robin to that many; without, by the hash of the order's text as key. A timestamp of
    0 is the present.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "linger.ms": 5,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.max.bytes": 100_000_000,
            "compression.type": compression,
        }
    )
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    count = 0
    for count, order in enumerate(orders, start=1):
        partition = -1 if partitions is None else count % partitions
        producer.produce(
            topic,
            order,
            key=order,
            partition=partition,
            headers=list(headers or []),
            timestamp=timestamp_ms,
            on_delivery=delivered,
        )
        producer.poll(0)
    if producer.flush(60) or failures:
        raise AssertionError(f"orders were not delivered: {failures[:3]}")
    return count


def read_committed(
    bootstrap_servers: str, topics: Iterable[str], *, within_s: float = 60.0, stable: bool = False
) -> list[Read]:
    """Everything committed in these topics up to their end offsets as they are now, in each partition's order.

    An open transaction holds the reader up until it ends; where `stable`, it reads up to the first of them and waits
    for none. Raises TimeoutError, naming the partitions, where the ends are not reached within `within_s`.
    """
    ends = end_offsets(AdminClient({"bootstrap.servers": bootstrap_servers}), topics, stable=stable)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "reader",  # never joined: partitions are assigned by hand
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            # The end of a partition is an event, not by a record: a transaction's marker stands last.
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in ends])
        return _read(consumer, {place: end for place, end in ends.items() if end > 0}, time.monotonic() + within_s)
    finally:
        consumer.close()


def committed_offsets(
    bootstrap_servers: str, group: str, partitions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], tuple[int, str]]:
    """(offset, metadata) that a group has committed, for those of these partitions that have a commit."""
    places = [TopicPartition(*partition) for partition in partitions]
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group})
    try:
        found = consumer.committed(places, timeout=30) if places else []
        return {(each.topic, each.partition): (each.offset, each.metadata or "") for each in found if each.offset >= 0}
    finally:
        consumer.close()


def _read(consumer: Consumer, left: dict[tuple[str, int], int], deadline: float) -> list[Read]:
    """Read until every partition of `left` has been read up to its end offset."""
    reads: list[Read] = []
    while left:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not read to the end: {left}")
        for message in consumer.consume(500, timeout=0.2):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            error = message.error()
            if error is None:
                reads.append(read_of(message))
                offset += 1
            elif error.code() != KafkaError._PARTITION_EOF:
                raise AssertionError(f"cannot read {topic}: {error}")
            if offset >= left.get((topic, partition), offset + 1):
                del left[topic, partition]
    return reads


def read_of(message: Message) -> Read:
    """The record of a consumer's message."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers: list[Any] = list(message.headers() or [])
    return Read(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=tuple((name, value) for name, value in headers),
        timestamp_ms=message.timestamp()[1],
    )


def end_offsets(admin: AdminClient, topics: Iterable[str], *, stable: bool = False) -> dict[tuple[str, int], int]:
    """The end offsets of all partitions, with open transactions unless `stable`; waits until each leader answers."""
    names = list(topics)
    deadline = time.monotonic() + _LEADER_S
    while True:
        try:
            return _ends_now(admin, names, IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED)
        except (KafkaException, KeyError):  # a topic is known a moment before its partitions are led
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _ends_now(admin: AdminClient, names: list[str], isolation: IsolationLevel) -> dict[tuple[str, int], int]:
    """As `end_offsets`. Raises KafkaException or KeyError where a topic has no leader yet."""
    metadata = admin.list_topics(timeout=10).topics
    places = [TopicPartition(name, number) for name in names for number in metadata[name].partitions]
    if len({place.topic for place in places}) < len(set(names)):
        raise KeyError("partitions")
    newest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client has no type here
    latest = dict.fromkeys(places, newest)
    futures = admin.list_offsets(latest, isolation_level=isolation, request_timeout=10)
    return {(place.topic, place.partition): future.result(10).offset for place, future in futures.items()}
