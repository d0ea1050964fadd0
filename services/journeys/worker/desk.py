"""The event loop's side of the worker: orders in hand, each a task that ends in records for the Kafka thread.

Two queues join the sides, both bounded by what the Kafka thread reserves room for: `submit` brings orders in, and
`finished` takes one result back for each of them. Cancelling is a signal, never queued.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec

from journeys.clock import Clock
from journeys.errors import OrderError
from journeys.logs import bind_order
from journeys.model import Journey, Order, OrderMessage, Position, Record
from journeys.worker.disposal import Routes, dispose

_RECORD: Final = 400
"""What a record takes beside its key and value, its headers most of all (270 to 430 bytes measured)."""


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """An order message that the Kafka thread let in, under the epoch of its partition's ledger."""

    epoch: int
    message: OrderMessage


class Finished(msgspec.Struct, frozen=True, kw_only=True):
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


class Tray:
    """Finished orders on their way from the event loop, which puts them in, to the Kafka thread, which takes them."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._put = self._taken = 0  # bytes so far; each is written by one side alone

    def put(self, finished: Finished) -> None:
        """One more."""
        self._put += finished.size
        self._queue.put(finished)

    def get_nowait(self) -> Finished:
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


class Observer(Protocol):
    """Who counts what is read; called on the event loop, must be cheap."""

    def fetched(self, journey: Journey) -> None:
        """A journey was read, and is about to be encoded."""


class Keeper(Protocol):
    """What the account's gatekeeper is told and asked."""

    @property
    def is_held(self) -> bool:
        """Nothing new is to be begun, until `Desk.resume`."""

    def ended(self, *, is_dead: bool) -> None:
        """An order left, as a dead letter or not."""

    def others_heard(self, order_id: str, *, since: float) -> bool:
        """Whether the API answered for another order since then, by the monotonic clock."""


class Desk:
    """Fetches and encodes the orders in hand, at most `slots` of them side by side.

    `read`, `fetch` and `encode` may raise OrderError, which decides where the order goes. Any other exception is a
    defect: `failed` is told, and the worker stops rather than go on without the order.
    """

    def __init__(
        self,
        *,
        read: Callable[[OrderMessage], Awaitable[Order]],
        fetch: Callable[[Order, bool], Awaitable[Journey]],
        encode: Callable[[Journey], list[Record]],
        routes: Routes,
        slots: int,
        keeper: Keeper,
        observer: Observer,
        failed: Callable[[BaseException], None],
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._read = read
        self._fetch = fetch
        self._encode = encode
        self._routes = routes
        self._slots = slots
        self._keeper = keeper
        self._observer = observer
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Admitted] = deque()
        self._running: dict[asyncio.Task[None], Admitted] = {}
        self._closed = False
        self.finished = Tray()

    def submit(self, orders: Sequence[Admitted]) -> None:
        """Take orders in; called from the Kafka thread, never blocks."""
        self._loop.call_soon_threadsafe(self._take, orders)

    def cancel(self, epochs: Collection[int] | None) -> None:
        """Drop the orders of these epochs, None for all; called from the Kafka thread, never blocks."""
        self._loop.call_soon_threadsafe(self._drop, epochs)

    def close(self) -> None:
        """Cancel everything and take nothing in any more; called on the event loop."""
        self._closed = True
        self._drop(None)

    def resume(self) -> None:
        """Begin what was held; called on the event loop."""
        self._fill()

    @property
    def in_progress(self) -> int:
        """Orders being fetched now."""
        return len(self._running)

    def tasks(self) -> dict[Position, asyncio.Task[None]]:
        """The orders being worked on; may be called from any thread."""
        return {admitted.message.position: task for task, admitted in list(self._running.items())}

    def _take(self, orders: Sequence[Admitted]) -> None:
        if not self._closed:
            self._waiting.extend(orders)
            self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._slots and not self._keeper.is_held:
            admitted = self._waiting.popleft()
            task = self._loop.create_task(self._work(admitted))
            self._running[task] = admitted
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        admitted = self._running.pop(task, None)
        if task.cancelled():
            if admitted is not None and not task.cancelling():  # by nobody: the order would never be heard of again
                self._failed(RuntimeError(f"the work on {admitted.message.position} ended without a result"))
        elif (error := task.exception()) is not None:
            self._failed(error)
        self._fill()

    def _drop(self, epochs: Collection[int] | None) -> None:
        def dropped(admitted: Admitted) -> bool:
            return epochs is None or admitted.epoch in epochs

        self._waiting = deque(admitted for admitted in self._waiting if not dropped(admitted))
        for task in [task for task, admitted in self._running.items() if dropped(admitted)]:
            task.cancel()

    def _others_heard(self, order: Order) -> bool:
        """Whether the API answered for any other order since this one was put into the tier that it comes from."""
        waited = self._clock.wall() - (order.message.timestamp_ms or 0) / 1000
        return self._keeper.others_heard(order.order_id, since=self._clock.monotonic() - max(0.0, waited))

    async def _work(self, admitted: Admitted) -> None:
        message = admitted.message
        order: Order | None = None
        reason: str | None = None
        try:
            order = await self._read(message)
            bind_order(order.order_id)
            journey = await self._fetch(order, self._routes.accepts_empty(order))
            self._observer.fetched(journey)
            records, outcome = self._encode(journey), "published"
        except OrderError as error:
            record, outcome = dispose(
                message,
                order,
                error,
                self._routes,
                now_ms=self._clock.wall_ms(),
                others_heard=order is None or self._others_heard(order),
            )
            records, reason = [record], error.reason
        self._keeper.ended(is_dead=outcome == "dead-lettered")
        finished = Finished(
            epoch=admitted.epoch,
            message=message,
            outcome=outcome,
            records=records,
            size=taken_by(records),
            at=self._clock.monotonic(),
            order=order,
            reason=reason,
        )
        self.finished.put(finished)
