"""How far a partition is: due, waiting, and the age of the oldest order."""

from __future__ import annotations

from journeys.consumer.consumer import Partition
from journeys.consumer.ledger import Ledger
from journeys.model import OrderMessage, Position
from journeys.worker.handover import AdmittedOrder
from journeys.worker.kafka_thread.ages import Ages
from journeys.worker.kafka_thread.scheduled import ScheduledOrders
from journeys.worker.kafka_thread.standing import Standing, Surveyor

A: Partition = ("orders", 0)
RETRIES: Partition = ("retry.1m", 0)
NOW_MS = 100_000


class Scene:
    """Partitions that are read from their start; the time is `NOW_MS`."""

    def __init__(self) -> None:
        self.scheduled = ScheduledOrders()
        self.ages = Ages()
        self.ledgers = {
            partition: Ledger(epoch=number, watermark=0, metadata=None, limit_chars=4000)
            for number, partition in enumerate((A, RETRIES))
        }

    def read(self, partition: Partition, *, due_ms: int | None = None, written_ms: int | None = None) -> None:
        """Read the next order; with `due_ms` it waits."""
        ledger = self.ledgers[partition]
        position = Position(topic=partition[0], partition=partition[1], offset=ledger.next_offset)
        message = OrderMessage(position=position, key=None, value=b"A-1", headers=(), timestamp_ms=written_ms)
        ledger.polled(position.offset)
        if due_ms is None:
            self.ages.began(message, 0.0)
        else:
            self.scheduled.add(AdmittedOrder(epoch=ledger.epoch, message=message), due_ms)

    def standing(self, partition: Partition, *, end: int, is_paused: bool = False) -> Standing:
        """The standing of a partition that ends at this offset."""
        surveyor = Surveyor(scheduled=self.scheduled, ages=self.ages, retry_topics=frozenset({RETRIES[0]}))
        lag = {partition: end - self.ledgers[partition].watermark}
        paused = {partition} if is_paused else set()
        return surveyor.standings(self.ledgers, lag, paused=paused, now_ms=NOW_MS)[partition]


def counts(found: Standing) -> tuple[int, int]:
    """(due, waiting)"""
    return found.due, found.waiting


def test_orders_that_are_not_read_are_due_as_the_newest_one_is() -> None:
    """In hand or not, they could be published now."""
    scene = Scene()
    assert counts(scene.standing(A, end=0)) == (0, 0)
    scene.read(A)
    assert counts(scene.standing(A, end=50)) == (50, 0)


def test_orders_behind_one_that_settles_wait_as_well() -> None:
    """The worker reads 2,000 orders ahead; those behind them are younger."""
    scene = Scene()
    scene.read(A)
    scene.read(A, due_ms=NOW_MS + 1)
    assert counts(scene.standing(A, end=100_000)) == (1, 99_999)


def test_waiting_order_whose_time_has_come_is_due() -> None:
    """It waits for room or for the gate."""
    scene = Scene()
    scene.read(A, due_ms=NOW_MS - 5)
    scene.read(A, due_ms=NOW_MS)
    scene.read(A, due_ms=NOW_MS + 1)
    assert counts(scene.standing(A, end=3)) == (2, 1)
    scene = Scene()
    scene.read(A, due_ms=NOW_MS)
    assert counts(scene.standing(A, end=10)) == (10, 0)


def test_markers_of_a_retry_tier_do_not_count() -> None:
    """Each transaction writes one, and nothing distinguishes them from orders that are not read."""
    scene = Scene()
    scene.read(RETRIES, due_ms=NOW_MS + 1)
    assert counts(scene.standing(RETRIES, end=9)) == (0, 1)


def test_lag_in_seconds_is_the_age_of_the_oldest_unpublished_order() -> None:
    """It may be in hand or wait. An order without a time, or in a paused partition, has no known age."""
    scene = Scene()
    assert scene.standing(A, end=0).lag_s == 0
    assert scene.standing(A, end=9).lag_s == 0  # a marker, or an order of this moment
    assert scene.standing(A, end=9, is_paused=True).lag_s is None
    scene.read(A, due_ms=NOW_MS + 1, written_ms=NOW_MS - 5000)
    scene.read(A, written_ms=NOW_MS - 9000)
    assert scene.standing(A, end=2).lag_s == 5.0
    [first] = scene.scheduled.due(NOW_MS + 1, 1)
    scene.ages.began(first.message, 1.0)
    assert scene.standing(A, end=2).lag_s == 5.0
    scene.ledgers[A].finish(0)
    scene.ledgers[A].published(scene.ledgers[A].commit([0]))
    assert scene.standing(A, end=2).lag_s == 9.0
    scene.read(RETRIES)
    assert scene.standing(RETRIES, end=1).lag_s is None
