"""What the two sides of the worker hand to each other: admitted orders one way, finished orders the other way.

The Kafka thread admits an order and the event loop works on it. The event loop puts the finished order into the result
queue, and the Kafka thread takes it from there.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Final

import msgspec

from journeys.model import Order, OrderMessage, Record

_RECORD: Final = 400
"""What a record takes beside its key and value, its headers most of all (270 to 430 bytes measured)."""


class AdmittedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order message that the Kafka thread let in, under the epoch of its partition's ledger."""

    epoch: int
    message: OrderMessage


class FinishedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be published for an admitted order: a journey's records, a retry, or a dead letter."""

    epoch: int
    message: OrderMessage
    outcome: str
    """`published`, `retried`, `dead-lettered` or `skipped`."""
    records: Sequence[Record]
    size: int
    """Memory that the records take, about."""
    at: float
    """When the result was ready, by the monotonic clock."""
    order: Order | None = None
    """None for a message that names no order."""
    reason: str | None = None
    """Why the order was not published."""


def taken_by(records: Sequence[Record]) -> int:
    """Memory that records take, about, in bytes."""
    return sum(record.size for record in records) + _RECORD * len(records)


class ResultQueue:
    """Finished orders on their way from the event loop, which puts them in, to the Kafka thread, which takes them."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[FinishedOrder] = queue.SimpleQueue()
        self._put = self._taken = 0  # bytes so far; each is written by one side alone

    def put(self, finished: FinishedOrder) -> None:
        """One more."""
        self._put += finished.size
        self._queue.put(finished)

    def get_nowait(self) -> FinishedOrder:
        """The first one. Raises queue.Empty."""
        finished = self._queue.get_nowait()
        self._taken += finished.size
        return finished

    def qsize(self) -> int:
        """How many there are."""
        return self._queue.qsize()

    @property
    def bytes(self) -> int:
        """Memory that they take, about."""
        return self._put - self._taken


class Backlog:
    """Finished orders that no transaction has published yet: one object for both sides of the worker.

    The event loop puts orders into `results`, and the memory budget reads the properties there. The Kafka thread takes
    orders out, and it alone writes `pending_bytes` and `is_blocked`. Nothing here blocks.
    """

    def __init__(self) -> None:
        self.results = ResultQueue()
        self.pending_bytes = 0
        """Memory of the results that the Kafka thread has taken and not published yet, in bytes."""
        self.is_blocked = False
        """Whether no result can be published before an order that is still to be read."""

    @property
    def unpublished_bytes(self) -> int:
        """Memory of all results that are not published yet, in bytes."""
        return self.results.bytes + self.pending_bytes
