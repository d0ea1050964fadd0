"""The event loop's side of the worker: orders in hand, each a task that ends in records for the Kafka thread.

Two queues join the sides, both bounded by what the Kafka thread reserves room for: `submit` brings orders in, and
`results` takes one result back for each of them. Cancelling is a signal, never queued.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from journeys.clock import Clock
from journeys.errors import OrderError
from journeys.logs import bind_order
from journeys.model import Journey, Order, OrderMessage, Position, Record
from journeys.routing import Routes, route_failure
from journeys.worker.handover import AdmittedOrder, FinishedOrder, ResultQueue, taken_by


class Observer(Protocol):
    """Who counts what is read; called on the event loop, must be cheap."""

    def fetched(self, journey: Journey) -> None:
        """A journey was read, and is about to be encoded."""


class Keeper(Protocol):
    """What the account's gatekeeper is told and asked."""

    @property
    def is_held(self) -> bool:
        """Nothing new is to be begun, until `OrderPool.resume`."""

    def ended(self, *, is_dead: bool) -> None:
        """An order left, as a dead letter or not."""

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Whether the API answered for another order since then, by the monotonic clock."""


class OrderPool:
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
        results: ResultQueue,
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
        self._waiting: deque[AdmittedOrder] = deque()
        self._running: dict[asyncio.Task[None], AdmittedOrder] = {}
        self._closed = False
        self._results = results

    def submit(self, orders: Sequence[AdmittedOrder]) -> None:
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

    def _take(self, orders: Sequence[AdmittedOrder]) -> None:
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
        def dropped(admitted: AdmittedOrder) -> bool:
            return epochs is None or admitted.epoch in epochs

        self._waiting = deque(admitted for admitted in self._waiting if not dropped(admitted))
        for task in [task for task, admitted in self._running.items() if dropped(admitted)]:
            task.cancel()

    def _others_answered(self, order: Order) -> bool:
        """Whether the API answered for any other order since this one was put into the tier that it comes from."""
        waited = self._clock.wall() - (order.message.timestamp_ms or 0) / 1000
        return self._keeper.others_answered(order.order_id, since=self._clock.monotonic() - max(0.0, waited))

    async def _work(self, admitted: AdmittedOrder) -> None:
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
            record, outcome = route_failure(
                message,
                order,
                error,
                self._routes,
                now_ms=self._clock.wall_ms(),
                others_answered=order is None or self._others_answered(order),
            )
            records, reason = [record], error.reason
        self._keeper.ended(is_dead=outcome == "dead-lettered")
        finished = FinishedOrder(
            epoch=admitted.epoch,
            message=message,
            outcome=outcome,
            records=records,
            size=taken_by(records),
            at=self._clock.monotonic(),
            order=order,
            reason=reason,
        )
        self._results.put(finished)
