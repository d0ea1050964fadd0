"""What Kafka refuses in the middle of a transaction, on a real broker: who is blamed, and that it ends."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Consumer
from tests.broker.kafka_tools import create_topics, read_committed

from journeys.model import GroupOffsets, OffsetCommit, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys_sandbox.stack.kafka import Broker

LIMIT = 100_000
NOISE = random.Random(7)  # does not compress


class Bench:
    """A publisher with one topic of a low `max.message.bytes` and one of the usual."""

    def __init__(self, bootstrap_servers: str, namespace: str, consumer: Consumer, *, timeout_ms: int = 10_000) -> None:
        self.tight, self.usual, self.orders = f"{namespace}tight", f"{namespace}usual", f"{namespace}orders"
        create_topics(bootstrap_servers, self.usual, self.orders, partitions=1)
        create_topics(bootstrap_servers, self.tight, partitions=1, config={"max.message.bytes": str(LIMIT)})
        self.publisher = Publisher(
            {
                "bootstrap.servers": bootstrap_servers,
                "transactional.id": f"{namespace}id",
                "transaction.timeout.ms": timeout_ms,
                "message.timeout.ms": timeout_ms,
                "message.max.bytes": 2**24,
            }
        )
        self.publisher.rebuild(timeout_s=20)
        self._consumer = consumer

    def publish(self, *batches: list[Record], timeout_s: float = 20.0) -> Result:
        """One transaction."""
        offsets = (OffsetCommit(topic=self.orders, partition=0, offset=1, metadata=""),)
        group = GroupOffsets(offsets=offsets, metadata=self._consumer.consumer_group_metadata)
        return self.publisher.publish(batches, [group], timeout_s=timeout_s)

    def insist(self, *batches: list[Record]) -> Result:
        """Transactions until one is committed, or a record is blamed: an abort may cost librdkafka one more."""
        results = (self.publish(*batches) for _ in range(4))
        return next(result for result in results if result.outcome is not Outcome.ABORTED or result.oversized)


@contextmanager
def bench(bootstrap_servers: str, namespace: str, *, timeout_ms: int = 10_000) -> Iterator[Bench]:
    """A bench of this test's own."""
    config = {"bootstrap.servers": bootstrap_servers, "group.id": f"{namespace}group"}
    with closing(Consumer(config)) as consumer:
        made = Bench(bootstrap_servers, namespace, consumer, timeout_ms=timeout_ms)
        yield made
        made.publisher.discard()


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker that may be stopped: no other test uses it."""
    with Broker() as made:
        yield made


def record(topic: str, size: int) -> Record:
    """A record of this size."""
    return Record(topic=topic, key=b"order", value=NOISE.randbytes(size), headers=[])


def test_a_too_large_record_is_named_after_its_transaction_failed(bootstrap_servers: str, namespace: str) -> None:
    """The transaction fails while records are still being added; the next transaction names the record."""
    with bench(bootstrap_servers, namespace) as it:
        batches = [[record(it.tight, 3 * LIMIT)], *([[record(it.usual, 300)]] * 50_000)]
        first = it.publish(*batches)
        assert (first.outcome, first.oversized) == (Outcome.ABORTED, frozenset())
        result = it.publish(*batches)
        assert (result.outcome, result.oversized) == (Outcome.ABORTED, frozenset({0}))
        assert result.reason is not None
        assert result.reason.startswith("MSG_SIZE_TOO_LARGE")


def test_small_records_are_sent_again_when_kafka_refuses_their_batch(bootstrap_servers: str, namespace: str) -> None:
    """Kafka refuses a batch of small records: the publisher sends them in smaller batches, and all are published."""
    with bench(bootstrap_servers, namespace) as it:
        small = [[record(it.tight, 900)] for _ in range(400)]
        first = it.publish(*small)
        assert (first.outcome, first.oversized) == (Outcome.ABORTED, frozenset())
        result = it.insist(*small)
        assert result.outcome is Outcome.COMMITTED
        published = read_committed(bootstrap_servers, [it.tight])
        assert len(published) == 400
        assert {place.offset: small[index][0].value for index, place in result.positions.items()} == {
            each.offset: each.value for each in published
        }


def test_a_too_large_record_is_named_among_many(bootstrap_servers: str, namespace: str) -> None:
    """If a batch and one of its records are both too large, the publisher leaves out only that record."""
    with bench(bootstrap_servers, namespace) as it:
        batches = [[record(it.tight, 900)] for _ in range(400)]
        batches[300] = [record(it.tight, 2 * LIMIT)]
        assert it.insist(*batches).oversized == frozenset({300})
        del batches[300]
        assert it.insist(*batches).outcome is Outcome.COMMITTED


@pytest.mark.timeout(60, func_only=True)
def test_a_transaction_times_out_against_a_silent_broker(own_broker: Broker, namespace: str) -> None:
    """The publisher abandons a call of librdkafka that takes longer than its timeout."""
    assert own_broker.pid is not None
    with bench(own_broker.bootstrap_servers, namespace, timeout_ms=300_000) as it:
        assert it.publish([record(it.usual, 10)]).outcome is Outcome.COMMITTED
        os.kill(own_broker.pid, signal.SIGSTOP)
        try:
            assert it.publish([record(it.usual, 10)], timeout_s=1.0).outcome is Outcome.UNKNOWN
        finally:
            os.kill(own_broker.pid, signal.SIGCONT)
