"""The partition reader on a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from tests.broker.kafka_tools import create_topics, produce_orders

from journeys.kafka.reader import PartitionReader

pytestmark = pytest.mark.broker


@pytest.fixture
def reader(bootstrap_servers: str, namespace: str) -> Iterator[PartitionReader]:
    """A reader that no group knows."""
    with PartitionReader({"bootstrap.servers": bootstrap_servers, "group.id": f"{namespace}reader"}) as reader:
        yield reader


def test_partitions_are_read_up_to_their_ends(reader: PartitionReader, bootstrap_servers: str, namespace: str) -> None:
    """All records of all partitions come, also from empty partitions and from the middle of one."""
    topic = f"{namespace}orders"
    create_topics(bootstrap_servers, topic, partitions=4)
    produce_orders(bootstrap_servers, topic, [str(n) for n in range(30)], partitions=3)
    places = reader.partitions(topic)
    assert places == [(topic, number) for number in range(4)]
    bounds = {place: reader.bounds(*place) for place in places}
    assert sorted(int(message.value or b"") for message in reader.read(bounds)) == list(range(30))
    tail = [message.position.offset for message in reader.read({places[0]: bounds[places[0]][7:]})]
    assert tail == [7, 8, 9]
    assert list(reader.read({places[3]: bounds[places[3]]})) == []


def test_reading_ends_before_an_open_transaction(
    reader: PartitionReader, bootstrap_servers: str, namespace: str
) -> None:
    """The reader neither waits for the transaction nor returns its records, and passes over aborted ones."""
    topic = f"{namespace}orders"
    create_topics(bootstrap_servers, topic, partitions=1)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": f"{namespace}id"})
    producer.init_transactions(30)
    for value, commits in ((b"committed", True), (b"aborted", False)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        if commits:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    assert producer.flush(30) == 0
    bounds = reader.bounds(topic, 0)
    assert [message.value for message in reader.read({(topic, 0): bounds})] == [b"committed"]
    producer.abort_transaction(30)
    assert [message.value for message in reader.read({(topic, 0): reader.bounds(topic, 0)})] == [b"committed"]
