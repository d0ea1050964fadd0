"""Two consumers used as one: orders in one group, retries in another."""

from __future__ import annotations

from tests.support.worker_fakes import FakeConsumer, Group

from journeys.consumer.consumer import Partition
from journeys.consumer.groups import OrderConsumers
from journeys.model import OffsetCommit, OrderMessage, Position

ORDERS: Partition = ("orders", 0)
RETRY: Partition = ("orders.retry.1m", 0)


class Waits(FakeConsumer):
    """A consumer that remembers how each poll was asked."""

    def __init__(self) -> None:
        super().__init__(Group())
        self.polls: list[tuple[float, int]] = []
        self.is_closed = False

    def poll(self, timeout_s: float, limit: int) -> list[OrderMessage]:
        """As a fake does."""
        self.polls.append((timeout_s, limit))
        return super().poll(timeout_s, limit)

    def group_metadata(self) -> object:
        """Itself: so a test sees whose it is."""
        return self

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True


def both() -> tuple[Waits, Waits, OrderConsumers]:
    """The consumer of orders, that of retries, and both as one; each reads its partition from offset 0."""
    orders, retries = Waits(), Waits()
    consumers = OrderConsumers({orders: ["orders"], retries: ["orders.retry.1m"]})
    consumers.start({ORDERS: 0, RETRY: 0})
    return orders, retries, consumers


def message(partition: Partition, offset: int) -> OrderMessage:
    """An order message."""
    position = Position(topic=partition[0], partition=partition[1], offset=offset)
    return OrderMessage(position=position, key=None, value=b"A-1", headers=(), timestamp_ms=None)


def test_partitions_go_to_the_consumer_of_their_topic() -> None:
    """Each consumer starts, holds, releases, pauses and resumes only its own."""
    orders, retries, consumers = both()
    assert (orders.positions, retries.positions) == ({ORDERS: 0}, {RETRY: 0})
    consumers.pause([ORDERS, RETRY])
    assert (orders.paused, retries.paused) == ({ORDERS}, {RETRY})
    consumers.resume([RETRY])
    assert (orders.paused, retries.paused) == ({ORDERS}, set())
    consumers.hold([RETRY])
    consumers.release(RETRY, 7)
    assert (retries.positions, retries.paused) == ({RETRY: 7}, set())


def test_only_the_first_consumer_waits_in_a_poll() -> None:
    """Both are polled, since that serves their callbacks; the limit holds for both together."""
    orders, retries, consumers = both()
    orders.messages.extend(message(ORDERS, offset) for offset in range(3))
    retries.messages.extend(message(RETRY, offset) for offset in range(9))
    assert len(consumers.poll(0.2, 5)) == 5
    assert (orders.polls, retries.polls) == ([(0.2, 5)], [(0.0, 2)])


def test_every_consumer_gives_a_message_although_the_limit_is_reached() -> None:
    """A poll always takes one: it would be lost otherwise."""
    orders, retries, consumers = both()
    orders.messages.extend(message(ORDERS, offset) for offset in range(3))
    retries.messages.append(message(RETRY, 0))
    assert len(consumers.poll(0.2, 3)) == 4


def test_commits_are_split_by_group() -> None:
    """Each goes with the metadata of its own group."""
    orders, retries, consumers = both()
    commits = [
        OffsetCommit(topic=topic, partition=number, offset=3, metadata="")
        for topic, number in (ORDERS, RETRY, ("orders", 1))
    ]
    groups = consumers.in_groups(commits)
    assert [[commit.topic for commit in group.offsets] for group in groups] == [
        ["orders", "orders"],
        ["orders.retry.1m"],
    ]
    assert [group.metadata() for group in groups] == [orders, retries]


def test_only_the_groups_of_a_transaction_must_be_joined() -> None:
    """A group that takes no part in it may still be joining."""
    _, retries, consumers = both()
    retries.joined = False
    assert consumers.has_joined(["orders"])
    assert not consumers.has_joined(["orders", "orders.retry.1m"])


def test_each_group_has_its_own_obstacle() -> None:
    """The retry group may wait while the orders are read."""
    orders, retries, consumers = both()
    orders.group, retries.group = "journeys", "journeys.retry"
    assert consumers.obstacles == {}
    retries.why_not = "the group is full"
    assert consumers.obstacles == {"journeys.retry": "the group is full"}


def test_close_leaves_all_groups() -> None:
    """Each in a thread of its own; it returns when all are left."""
    orders, retries, consumers = both()
    consumers.close()
    assert orders.is_closed
    assert retries.is_closed
