"""The event loop's side of the worker: a bounded pool of tasks, one for each order in hand.

The Kafka thread submits orders, and gets one finished order back for each through the result queue. Its bounds on the
orders in hand bound both directions. Cancelling is a signal; it waits in no queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from journeys.clock import Clock
from journeys.errors import OrderError, Verdict
from journeys.logs import bind_order
from journeys.model import Journey, Order, OrderMessage, Position, Record
from journeys.routing import Routes, route_failure
from journeys.worker.handover import AdmittedOrder, FinishedOrder, ResultQueue, taken_by
from journeys.worker.happenings import Hooks, JourneyFetched


class Reader(Protocol):
    """Reads order messages; see `OrderReader`."""

    async def read(self, message: OrderMessage, /) -> Order:
        """The order that a message asks for. Raises OrderError; may wait for the schema registry."""


class JourneyFetcher(Protocol):
    """Fetches journeys; see `Fetcher`."""

    @property
    def paused(self) -> int:
        """Requests that wait between two tries. Their orders need no slot, so bad orders keep out no others."""

    async def fetch(self, order: Order, /, *, accept_empty: bool) -> Journey:
        """The whole journey of an order. Raises OrderError, also for an empty journey unless `accept_empty`."""


class Encoder(Protocol):
    """Encodes journeys; see `JourneyEncoder`."""

    def encode(self, journey: Journey, /) -> list[Record]:
        """The records of a journey. It holds up the event loop for as long as it takes. Raises OrderError."""


class Keeper(Protocol):
    """The account's gatekeeper, as the pool calls it. Nothing here blocks or raises."""

    @property
    def is_held(self) -> bool:
        """Whether no order may begin until `OrderPool.resume` is called."""

    def ended(self, *, is_dead: bool) -> None:
        """Note that an order left, as a dead letter or not."""

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Whether the API answered for another order since then, in seconds of the monotonic clock."""


class Tracer(Protocol):
    """Traces orders; see `Tracing`. Nothing here blocks or raises."""

    def begin(self, message: OrderMessage, /) -> None:
        """Decide whether this order is traced. Called in the task that works on the order, before anything else."""

    def end(self, finished: FinishedOrder, /) -> FinishedOrder:
        """Note how the order of this task ended. Returns it with a `traceparent` in its records, if it is traced."""


@dataclass(kw_only=True, eq=False)
class OrderPool:
    """Fetches and encodes the orders in hand, at most `slots` of them side by side, paused ones not counted.

    Create it on the event loop.

    An OrderError of the reader, the fetcher or the encoder decides where the order goes. Any other exception is a
    defect: the pool calls `failed` with it, and the worker stops rather than go on without the order.
    """

    reader: Reader
    fetcher: JourneyFetcher
    encoder: Encoder
    results: ResultQueue
    routes: Routes
    slots: int
    keeper: Keeper
    hooks: Hooks
    failed: Callable[[BaseException], None]
    tracer: Tracer | None = None
    clock: Clock = field(default_factory=Clock)
    _loop: asyncio.AbstractEventLoop = field(init=False, default_factory=asyncio.get_running_loop)
    _waiting: deque[AdmittedOrder] = field(init=False, default_factory=deque)
    _running: dict[asyncio.Task[None], AdmittedOrder] = field(init=False, default_factory=dict)
    _closed: bool = field(init=False, default=False)

    def submit(self, orders: Sequence[AdmittedOrder]) -> None:
        """As `Pool.submit`; on the Kafka thread."""
        self._loop.call_soon_threadsafe(self._take, orders)

    def cancel(self, epochs: Collection[int] | None) -> None:
        """As `Pool.cancel`; on the Kafka thread."""
        self._loop.call_soon_threadsafe(self._drop, epochs)

    def close(self) -> None:
        """Cancel all orders and take no more; on the event loop."""
        self._closed = True
        self._drop(None)

    def resume(self) -> None:
        """Begin orders that were held back; on the event loop."""
        self._fill()

    def tasks(self) -> dict[Position, asyncio.Task[None]]:
        """The task of each order being worked on. Any thread may call it."""
        return {admitted.message.position: task for task, admitted in list(self._running.items())}

    def _take(self, orders: Sequence[AdmittedOrder]) -> None:
        if not self._closed:
            self._waiting.extend(orders)
            self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) - self.fetcher.paused < self.slots and not self.keeper.is_held:
            admitted = self._waiting.popleft()
            task = self._loop.create_task(self._work(admitted))
            self._running[task] = admitted
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        admitted = self._running.pop(task, None)
        if task.cancelled():
            if admitted is not None and not task.cancelling():  # we did not cancel it: the order would be lost
                self.failed(RuntimeError(f"the work on {admitted.message.position} ended without a result"))
        elif (error := task.exception()) is not None:
            self.failed(error)
        self._fill()

    def _drop(self, epochs: Collection[int] | None) -> None:
        def dropped(admitted: AdmittedOrder) -> bool:
            return epochs is None or admitted.epoch in epochs

        self._waiting = deque(admitted for admitted in self._waiting if not dropped(admitted))
        for task in [task for task, admitted in self._running.items() if dropped(admitted)]:
            task.cancel()

    def _others_answered(self, order: Order, polled_at: float) -> bool:
        """Whether the API answered for another order since this one was written to its retry tier.

        The wall clock may have jumped since, or the writer's may be behind. So no answer counts that came before this
        worker read the order.
        """
        waited = self.clock.wall() - (order.message.timestamp_ms or 0) / 1000
        since = max(self.clock.monotonic() - max(0.0, waited), polled_at)
        return self.keeper.others_answered(order.order_id, since=since)

    async def _work(self, admitted: AdmittedOrder) -> None:
        message = admitted.message
        if self.tracer is not None:
            self.tracer.begin(message)
        order: Order | None = None
        reason: str | None = None
        is_refused = False
        try:
            order = await self.reader.read(message)
            bind_order(order.order_id)
            journey = await self.fetcher.fetch(order, accept_empty=self.routes.accepts_empty(order))
            self.hooks.notify(JourneyFetched(journey))
            records, outcome = self.encoder.encode(journey), "published"
        except OrderError as error:
            record, outcome = route_failure(
                message,
                order,
                error,
                self.routes,
                now_ms=self.clock.wall_ms(),
                others_answered=order is None or self._others_answered(order, admitted.polled_at),
            )
            records, reason = [record], error.reason
            is_refused = outcome == "dead-lettered" and not _used_up_tiers(order, error)
        self.keeper.ended(is_dead=is_refused)
        finished = FinishedOrder(
            epoch=admitted.epoch,
            message=message,
            outcome=outcome,
            records=records,
            size=taken_by(records),
            at=self.clock.monotonic(),
            order=order,
            reason=reason,
        )
        self.results.put(finished if self.tracer is None else self.tracer.end(finished))


def _used_up_tiers(order: Order | None, error: OrderError) -> bool:
    """Whether a dead letter comes from the last retry tier: then the fault is its own, and no part of a flood."""
    return error.verdict is not Verdict.DEAD_LETTER and order is not None and order.attempt > 0
