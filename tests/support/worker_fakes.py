"""Stand-ins for the neighbours of the Kafka thread: a group, a producer and a pool, in memory and without waiting.

The consumer and the publisher share one `Group`: the next assignment finds the offsets that a transaction committed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from journeys.consumer.consumer import Listener, OrderConsumer, Partition
from journeys.consumer.order_message import OrderMessageReader
from journeys.kafka.admin import TopicIds
from journeys.model import GroupOffsets, OffsetCommit, Order, OrderMessage, Position, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.worker.handover import AdmittedOrder, FinishedOrder, ResultQueue
from journeys.worker.happenings import Happening, KafkaUnreachable

COMMITTED = Result(outcome=Outcome.COMMITTED)


@dataclass
class Group:
    """The state that Kafka keeps: committed offsets and published records."""

    offsets: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    unstable: set[Partition] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)

    def commit(self, batches: Sequence[Sequence[Record]], offsets: Sequence[OffsetCommit]) -> None:
        """Publish records and commit offsets."""
        self.records += [record for batch in batches for record in batch]
        for commit in offsets:
            self.offsets[commit.topic, commit.partition] = (commit.offset, commit.metadata)


class PlainReader:
    """Reads order messages that are not in Avro."""

    def __init__(self) -> None:
        self._reader = OrderMessageReader(account="default", decode_avro=lambda _: None)

    async def read(self, message: OrderMessage) -> Order:
        """The order of a message, at once."""
        return self._reader.read(message)


class FakeTopics:
    """Brokers that answer at once about the ids of topics: each has `id`, unless the test says otherwise."""

    def __init__(self, *missing: str, topic_id: str = "q7Wm4xXpTxyRmQ0c9K1nPg") -> None:
        self.topic_id = topic_id
        self.missing = set(missing)
        self.unanswered: set[str] = set()
        self.without: dict[str, str] = {}
        self.is_silent = False
        self.asked = 0

    def ask(self, topics: Sequence[str]) -> Callable[[], TopicIds | None]:
        """The answer as of the time when it is taken; None while the brokers are silent."""
        self.asked += 1

        def answer() -> TopicIds | None:
            if self.is_silent:
                return None
            named = self.missing.union(self.without, self.unanswered)
            known = [topic for topic in topics if topic not in named]
            ids = dict.fromkeys(known, self.topic_id)
            return TopicIds(ids=ids, missing=frozenset(self.missing), without=self.without)

        return answer


class FakeConsumer(OrderConsumer):
    """A consumer whose messages and rebalances are queued by the test; each `poll` serves one rebalance first."""

    listener: Listener

    def __init__(self, group: Group) -> None:
        self.kafka = group
        self.group = "journeys"
        self.why_not: str | None = None
        self.messages: deque[OrderMessage] = deque()
        self.rebalances: deque[Callable[[Listener], None]] = deque()
        self.joined = True
        self.positions: dict[Partition, int] = {}
        self.paused: set[Partition] = set()
        self.ends: dict[Partition, int] = {}
        self.reached: dict[Partition, int] = {}

    def take_ends(self) -> dict[Partition, int]:
        """The ends that the test reports, once."""
        ends, self.reached = self.reached, {}
        return ends

    def subscribe(self, listener: Listener) -> None:
        """Remember who follows the rebalances."""
        self.listener = listener

    @property
    def obstacle(self) -> str | None:
        """The text that the test has set; None while the member reads."""
        return self.why_not

    def poll(self, timeout_s: float, limit: int) -> list[OrderMessage]:  # noqa: ARG002 - nothing here waits
        """One rebalance, or what is there of the partitions being read."""
        if self.rebalances:
            self.rebalances.popleft()(self.listener)
            return []
        taken: list[OrderMessage] = []
        for message in list(self.messages):
            partition = (message.position.topic, message.position.partition)
            if len(taken) < limit and partition in self.positions and partition not in self.paused:
                self.messages.remove(message)
                taken.append(message)
        return taken

    def group_metadata(self) -> object:
        """Nothing that a fake looks at."""
        return None

    def committed(self, partition: Partition, *, timeout_s: float) -> tuple[int, str] | None:
        """The group's offset; an unstable one times out."""
        if partition in self.kafka.unstable:
            raise TimeoutError(f"{partition} within {timeout_s:g} s")
        return self.kafka.offsets.get(partition)

    def bounds(self, partition: Partition, *, timeout_s: float) -> tuple[int, int]:  # noqa: ARG002 - as poll
        """An empty topic, unless the test says otherwise."""
        return 0, self.ends.get(partition, 0)

    def known_end(self, partition: Partition) -> int | None:  # noqa: ARG002 - nothing is ever known
        """Unknown."""
        return None

    def start(self, offsets: dict[Partition, int]) -> None:  # type: ignore[override]  # a dict is what is passed
        """Read from there."""
        self.positions.update(offsets)
        self.paused.difference_update(offsets)

    def hold(self, partitions: Iterable[Partition]) -> None:
        """Not yet."""
        self.paused.update(partitions)

    def release(self, partition: Partition, offset: int) -> None:
        """Now."""
        self.start({partition: offset})

    def pause(self, partitions: Iterable[Partition]) -> None:
        """No more of these."""
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """More of these."""
        self.paused.difference_update(partitions)

    def close(self) -> None:
        """Nothing to leave."""


class FakePublisher(Publisher):
    """A producer that gives the answers that the test queues; by default it commits every transaction."""

    def __init__(self, group: Group) -> None:
        super().__init__({})
        self.group = group
        self.answers: deque[Result] = deque()
        self.takes_effect = False  # what an unknown outcome turns out to be
        self.published: list[tuple[int, list[OffsetCommit]]] = []
        self.rebuilt = 0
        self.served = 0
        self.is_reachable = True
        self.hurried: float | None = None
        self.before_answer: Callable[[], object] = lambda: None

    def hurry(self, seconds: float) -> None:
        """Remember it."""
        self.hurried = seconds

    def rebuild(self, *, timeout_s: float) -> None:  # noqa: ARG002 - nothing here waits
        """A new producer, if Kafka can be reached."""
        if not self.is_reachable:
            raise TimeoutError("no answer")
        self.rebuilt += 1

    def discard(self) -> None:
        """Nothing to drop."""

    def serve(self) -> None:
        """Count the calls."""
        self.served += 1

    def publish(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        *,
        timeout_s: float,  # noqa: ARG002 - as rebuild
    ) -> Result:
        """The next answer."""
        self.before_answer()
        offsets = [commit for group in groups for commit in group.offsets]
        answer = self.answers.popleft() if self.answers else COMMITTED
        self.published.append((len(batches), offsets))
        if answer.outcome is Outcome.COMMITTED or (answer.outcome is Outcome.UNKNOWN and self.takes_effect):
            self.group.commit(batches, offsets)
        return answer


class FakePool:
    """A pool without an event loop: the test says when an order is finished."""

    def __init__(self, results: ResultQueue) -> None:
        self.orders: dict[Position, AdmittedOrder] = {}
        self.submitted: list[Position] = []
        self.cancelled: list[set[int] | None] = []
        self.results = results

    def submit(self, orders: Sequence[AdmittedOrder]) -> None:
        """Take orders in."""
        for order in orders:
            self.orders[order.message.position] = order
            self.submitted.append(order.message.position)

    def cancel(self, epochs: Collection[int] | None) -> None:
        """Note it; the test may finish them all the same, as a task does that was about to end."""
        self.cancelled.append(None if epochs is None else set(epochs))

    def finish(self, *positions: Position, records: int = 1, at: float | None = None) -> None:
        """These orders are fetched and encoded."""
        for position in positions:
            admitted = self.orders.pop(position)
            key = str(position).encode()
            made = [Record(topic="journey.ads", key=key, value=b"12345", headers=[]) for _ in range(records)]
            self.results.put(
                FinishedOrder(
                    epoch=admitted.epoch,
                    message=admitted.message,
                    outcome="published",
                    records=made,
                    size=sum(record.size for record in made),
                    at=time.monotonic() - 1 if at is None else at,  # the linger is over
                )
            )


@dataclass
class FakeGate:
    """A gate that the test shuts, and that remembers how orders ended."""

    is_shut: bool = False
    is_held: bool = False
    wants_one_more: bool = False
    heard: bool = True
    dead: list[bool] = field(default_factory=list)

    def admit_one(self) -> None:
        """The order that was wanted is in."""
        self.wants_one_more = False

    def ended(self, *, is_dead: bool) -> None:
        """Remember it."""
        self.dead.append(is_dead)

    def others_answered(self, order_id: str, *, since: float) -> bool:  # noqa: ARG002 - the same for all
        """As the test says."""
        return self.heard


class Complaints:
    """A hook that remembers all happenings, and why Kafka could not be reached."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []
        self.reasons: list[str] = []

    def __call__(self, happening: Happening) -> None:
        """Remember the happening."""
        self.happenings.append(happening)
        if isinstance(happening, KafkaUnreachable):
            self.reasons.append(happening.reason)
