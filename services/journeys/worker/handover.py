"""The seam between the two sides of the worker: the values that they exchange, and the calls that they may make.

The Kafka thread admits an order and hands it to the `Pool`, which works on it on the event loop. The event loop puts
the finished order into the `Backlog`, and the Kafka thread takes it from there. No call across the seam blocks.
"""

from __future__ import annotations

import math
import queue
from collections.abc import Collection, Sequence
from typing import Final, Protocol

import msgspec

from journeys.model import Order, OrderMessage, Record
from journeys.trace_context import TraceContext

_RECORD_BYTES: Final = 400
"""Memory of a record beside its key and value, most of it headers (270 to 430 bytes measured)."""


class AdmittedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order message that the Kafka thread admitted."""

    epoch: int
    """The assignment that it was read in; see `Ledger`."""
    message: OrderMessage
    polled_at: float = -math.inf
    """When it was read, in seconds of the monotonic clock."""


class FinishedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An admitted order with the records to publish for it: those of its journey, a retry, or a dead letter."""

    epoch: int
    message: OrderMessage
    outcome: str
    """`published`, `retried`, `dead-lettered` or `skipped`."""
    records: Sequence[Record]
    size: int
    """Memory of the records, in bytes, about."""
    at: float
    """When the order was finished, in seconds of the monotonic clock."""
    order: Order | None = None
    """None for a message without a readable order id."""
    reason: str | None = None
    """Why the order was not published; None for a published one."""
    trace: TraceContext | None = None
    """The span of the order; None if it is not traced."""


def taken_by(records: Sequence[Record]) -> int:
    """Memory of these records, in bytes, about."""
    return sum([record.size for record in records]) + _RECORD_BYTES * len(records)


class Pool(Protocol):
    """The event loop's side, as the Kafka thread calls it. No method blocks or raises."""

    def submit(self, orders: Sequence[AdmittedOrder]) -> None:
        """Hand orders over. Each comes back once through the backlog, unless it is cancelled before."""

    def cancel(self, epochs: Collection[int] | None) -> None:
        """Cancel the orders of these epochs, or all (None). The event loop does so later: results may still come."""


class IntakeGate(Protocol):
    """The gate of the API account, as the Kafka thread reads it at each turn. Nothing here blocks or raises."""

    @property
    def is_shut(self) -> bool:
        """Whether no order may be admitted."""

    @property
    def wants_one_more(self) -> bool:
        """Whether one order is wanted all the same, as a probe."""

    def admit_one(self) -> None:
        """Note that an order was admitted: no further one is wanted."""


class MemoryInUse(Protocol):
    """The fetcher, as far as its memory counts against the bounds of the intake."""

    @property
    def bytes_in_hand(self) -> int:
        """Memory of the journeys that are being read, in bytes. Any thread may read it; never blocks."""


class ResultQueue:
    """Finished orders: the event loop puts them in, the Kafka thread takes them out. Nothing here blocks."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[FinishedOrder] = queue.SimpleQueue()
        self._put = self._taken = 0  # bytes so far; each is written by one side alone

    def put(self, finished: FinishedOrder) -> None:
        """Add a finished order; on the event loop."""
        self._put += finished.size
        self._queue.put(finished)

    def get_nowait(self) -> FinishedOrder:
        """Take the oldest one; on the Kafka thread. Raises queue.Empty."""
        finished = self._queue.get_nowait()
        self._taken += finished.size
        return finished

    def qsize(self) -> int:
        """Finished orders in the queue."""
        return self._queue.qsize()

    @property
    def bytes(self) -> int:
        """Memory of their records, in bytes, about. Any thread may read it."""
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
