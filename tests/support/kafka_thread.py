"""A Kafka loop that a test turns by hand, with a group, a producer and a pool in memory."""

from __future__ import annotations

import time

from tests.support.worker_fakes import Complaints, FakeConsumer, FakeGate, FakePool, FakePublisher, FakeTopics, Group

from journeys.clock import Clock
from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.consumer.lag import Lag
from journeys.model import OrderMessage, Position
from journeys.producer.publisher import Outcome, Result
from journeys.routing import Routes
from journeys.worker.handover import Backlog
from journeys.worker.happenings import Hooks
from journeys.worker.kafka_thread.admission import Admission
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.assignments import Assignments
from journeys.worker.kafka_thread.intake import Bounds
from journeys.worker.kafka_thread.loop import KafkaLoop
from journeys.worker.kafka_thread.pace import Pace
from journeys.worker.kafka_thread.results import PendingResults
from journeys.worker.kafka_thread.scheduled import Schedule
from journeys.worker.kafka_thread.topic_watch import TopicWatch
from journeys.worker.kafka_thread.transactions import Transactions

ID = "q7Wm4xXpTxyRmQ0c9K1nPg"
"""The topic's id."""
STAMP = f"2{ID[:6]}"
"""The metadata of a commit without finished offsets beyond it."""
A: Partition = ("orders", 0)
B: Partition = ("orders", 1)
UNKNOWN = Result(outcome=Outcome.UNKNOWN, reason="no answer")
ABORTED = Result(outcome=Outcome.ABORTED, reason="a rebalance")
FOR_EVER = (b"9" * 15).decode()


def at(partition: Partition, offset: int) -> Position:
    """A position, briefly."""
    return Position(topic=partition[0], partition=partition[1], offset=offset)


class NothingRead:
    """A fetcher that reads no journey."""

    bytes_in_hand = 0


class Thread:
    """A Kafka loop that is turned by hand; it has an assignment and a producer."""

    def __init__(
        self, *partitions: Partition, bounds: Bounds | None = None, map_limit: int = 4000, linger: float = 0.1
    ) -> None:
        self.group = Group()
        self.publisher = FakePublisher(self.group)
        self.gate = FakeGate()
        self.complaints = Complaints()
        self.clock_at = 0.0
        self.clock = Clock(wall=lambda: time.time() + self.clock_at, monotonic=lambda: time.monotonic() + self.clock_at)
        self.consumer = FakeConsumer(self.group)
        consumers = OrderConsumers({self.consumer: ["orders"]})
        self.backlog = Backlog()
        self.pool = FakePool(self.backlog.results)
        self.brokers = FakeTopics(topic_id=ID)
        hooks = Hooks(self.complaints)
        topics = TopicWatch(
            self.brokers.ask, groups=consumers.group_by_topic, servers="broker:9092", hooks=hooks, clock=self.clock
        )
        self.assignments = Assignments(consumers, topics, map_limit=map_limit, clock=self.clock)
        self.results = PendingResults(self.backlog, self.assignments, max_records=50)
        self.ages, self.lag = Ages(), Lag(consumers)
        bounds = bounds or Bounds(orders=100, bytes=10_000)
        routes = Routes(
            group="journeys", retry_tiers=(("orders", 60.0),), dead_letter="orders.dead-letter", empty_after=()
        )
        pace = Pace(linger_s=linger, max_records=50, poll_s=0.0, poll_when_full_s=0.0)
        self.admission = Admission(
            assignments=self.assignments,
            results=self.results,
            pool=self.pool,
            gate=self.gate,
            memory=NothingRead(),
            schedule=Schedule(retry_topics=frozenset({"orders"}), longest_s=3600.0, settle_s=0),
            bounds=bounds,
            routes=routes,
            ages=self.ages,
            hooks=hooks,
            clock=self.clock,
        )
        self.transactions = Transactions(
            publisher=self.publisher,
            consumers=consumers,
            assignments=self.assignments,
            results=self.results,
            ages=self.ages,
            routes=routes,
            pace=pace,
            full_at=bounds.orders / 2,
            hooks=hooks,
            clock=self.clock,
        )
        self.loop = KafkaLoop(
            consumers=consumers,
            topics=topics,
            assignments=self.assignments,
            admission=self.admission,
            results=self.results,
            transactions=self.transactions,
            pool=self.pool,
            ages=self.ages,
            lag=self.lag,
            pace=pace,
            hooks=hooks,
            clock=self.clock,
        )
        consumers.subscribe(self.loop)
        self.turn(2)  # the brokers name the topic's id
        self.assign(*partitions)
        self.turn()
        self.publisher.published.clear()

    def assign(self, *partitions: Partition) -> None:
        """At the next poll, these partitions come."""
        self.consumer.rebalances.append(lambda listener: listener.assigned(partitions))
        self.turn()

    def revoke(self, *partitions: Partition) -> None:
        """At the next poll, these partitions go."""
        self.consumer.rebalances.append(lambda listener: listener.revoked(partitions))
        self.turn()

    def turn(self, times: int = 1) -> None:
        """A turn of the loop, without any back-off before it."""
        for _ in range(times):
            self.transactions.back_off.until = 0.0
            self.loop.step()

    def place(self, partition: Partition, *offsets: int, size: int = 10, due: str | None = None) -> None:
        """Orders in Kafka, and a turn that reads them."""
        headers = () if due is None else (("not-before", due.encode()),)
        for offset in offsets:
            self.consumer.messages.append(
                OrderMessage(
                    position=at(partition, offset), key=None, value=b"x" * size, headers=headers, timestamp_ms=None
                )
            )
        self.turn()

    def finish(self, partition: Partition, *offsets: int, records: int = 1) -> None:
        """The pool has results, and a turn publishes them."""
        self.pool.finish(*(at(partition, offset) for offset in offsets), records=records)
        self.turn()

    def published(self) -> list[str]:
        """The orders whose records are visible, in order."""
        return [(record.key or b"").decode() for record in self.group.records]
