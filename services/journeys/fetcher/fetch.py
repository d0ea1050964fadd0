"""Fetch the whole journey of one order: request its pages, and retry quickly what fails.

Every request waits for a turn at the account's gatekeeper. Throttling, a refused key and an outage do not count as
tries of an order.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from journeys.clock import Clock
from journeys.errors import NotFoundYetError, OrderError, ThrottledError, TransientError, UnauthorizedError
from journeys.fetcher.account.gatekeeper import Gatekeeper, Turn
from journeys.fetcher.backoff import QuickTries
from journeys.fetcher.failures import Meaning, failure
from journeys.fetcher.memory import MemoryBudget, Reservation
from journeys.fetcher.pages import Answer, Page, read_page
from journeys.fetcher.paging import EMPTY, Paging, Reading
from journeys.fetcher.progress import OpenOrder, Progress
from journeys.model import Journey, Order, Position

_MEMORY_FACTOR = 3
"""Memory of a decoded page, in bytes per byte of its body (2.6 to 2.9 measured)."""


class Client(Protocol):
    """Sends requests to the API."""

    async def ask(self, order_id: str, page: int) -> Answer:
        """Request one page of an order, counted from 1. Raises OrderError if no answer comes."""

    def refresh_key(self) -> None:
        """Read the API key again before the next request: the API refused the present one."""


class Observer(Protocol):
    """Counts and logs requests. Called on the event loop, so it must not block."""

    def request(self, outcome: str, seconds: float, detail: str, page: int) -> None:
        """Record the end of a request for a page, counted from 1; in the task of its order, or one started there.

        `outcome` is `ok`, `cancelled`, or the reason of the failure, with more in `detail`.
        """

    def extra_page(self) -> None:
        """Record a request for a page after the last one that `total` speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often to try, and how much to read."""

    page_size: int = 100
    """Events that are requested per page."""
    pages_per_order: int = 8
    """Pages of one order that may be requested at the same time."""
    max_events: int = 10_000
    """A larger journey is rejected."""
    tries: QuickTries = field(default_factory=QuickTries)
    codes: Mapping[int, Meaning] = field(default_factory=dict)
    """The meaning of each `code` other than 1; others are `passing`."""
    probes: float = 3
    """An order that failed as a probe this often is sent to a retry tier, to make way for another probe; inf: never."""
    throttled: int = 10
    """An order is sent to a retry tier once it was throttled this often while the API answered for other orders."""
    refused: int = 3
    """The same for a refused key."""


class _Effort(msgspec.Struct, kw_only=True):
    """The cost of one page so far."""

    failed: int = 0
    """Tries that count."""
    spent_s: float = 0.0
    """Time of these tries and of the pauses between them."""
    probed: int = 0
    """How often the request was a probe and failed."""
    singled_out: int = 0
    """How often it was throttled or refused although the API had answered for other orders since the last time."""
    refused_at: float = math.inf
    """When the last throttled or refused request was sent, on the monotonic clock."""


class _Work(msgspec.Struct, kw_only=True):
    """One order that is being fetched."""

    order: Order
    paging: Paging
    reservation: Reservation
    progress: Progress = msgspec.field(default_factory=Progress)
    has_memory: bool = False
    """Whether it may request pages; else it waits for memory."""
    began_ms: int = 0
    """When the first page of the present reading was requested, milliseconds since the epoch: its `fetched_at`."""


class Fetcher:
    """Fetches journeys, many at once. Belongs to one event loop.

    `keeper` decides when a request may be sent, `memory` how many pages may be in memory. `chance` returns numbers in
    [0, 1). `client` sends the requests, and `observer` hears of each.
    """

    def __init__(
        self,
        client: Client,
        policy: Policy,
        *,
        keeper: Gatekeeper,
        observer: Observer,
        chance: Callable[[], float],
        memory: MemoryBudget | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._policy = policy
        self._observer = observer
        self._clock = clock or Clock()
        self._chance = chance
        self._keeper = keeper
        self.memory = memory or MemoryBudget()
        self.in_flight = 0
        """Requests that were sent and not answered yet."""
        self.paused = 0
        """Requests that wait between two tries."""
        self._works: dict[Position, _Work] = {}

    @property
    def bytes_in_hand(self) -> int:
        """Approximate memory of the journeys that are not whole yet."""
        return self.memory.received_bytes

    def progress(self) -> dict[Position, int]:
        """Return the bytes received so far of each active order. May be called from any thread.

        Orders that wait for memory are not active.
        """
        return {position: work.paging.bytes for position, work in list(self._works.items()) if work.has_memory}

    def open_orders(self) -> list[OpenOrder]:
        """Return the orders that are being fetched, also those that wait for memory. Any thread may call it."""
        now = self._clock.monotonic()
        return [
            OpenOrder(
                order_id=work.order.order_id,
                position=position,
                busy_s=work.progress.busy_s(now),
                tries=work.progress.tries,
                last_failure=work.progress.last_failure,
            )
            for position, work in list(self._works.items())
        ]

    async def fetch(self, order: Order, *, accept_empty: bool = False) -> Journey:
        """Return the whole journey of an order.

        Raises OrderError; NotFoundYetError if there is no journey, unless `accept_empty`: then it has no events.
        """
        paging = Paging(max_events=self._policy.max_events, page_size=self._policy.page_size)
        work = self._works[order.message.position] = _Work(order=order, paging=paging, reservation=Reservation())
        try:
            await self.memory.reserve_first_page(work.reservation)
            work.has_memory = True
            reading = await self._read(work)
        except NotFoundYetError as absent:
            if paging.promised:  # a page that is missing later must never make an empty journey
                raise failure("journey-unsettled", "the journey vanished while it was read") from absent
            if not accept_empty:
                raise
            reading = paging.empty or EMPTY
        finally:
            if self._works.get(order.message.position) is work:  # a later assignment may fetch it again by now
                del self._works[order.message.position]
            self.memory.release(work.reservation)
        return Journey(
            order_id=order.order_id,
            account=order.account,
            edition=order.edition,
            order_timestamp_ms=order.timestamp_ms,
            events=reading.events,
            total=reading.total,
            pages=reading.pages,
            repeated=reading.repeated,
            shared_ids=reading.shared_ids,
            consistent=reading.consistent,
            shop_currency=reading.shop_currency,
            extra=reading.extra,
            fetched_at_ms=work.began_ms,
            revision=order.revision,
        )

    async def _read(self, work: _Work) -> Reading:
        while wanted := work.paging.wanted():
            if 1 in wanted:
                work.began_ms = work.order.next_fetched_at_ms(self._clock.wall_ms())
            elif not work.reservation.reads_rest and not await self._reserve_rest(work):
                continue
            if work.paging.is_extra:
                await self._extra_page(work, wanted[0])
            elif len(wanted) == 1:  # most orders have one page: no task is made for it
                self._receive(work, await self._page(work, wanted[0]))
            else:
                await self._side_by_side(work, wanted)
        assert work.paging.result is not None, "no page is wanted only when the reading is done"  # noqa: S101
        return work.paging.result

    async def _reserve_rest(self, work: _Work) -> bool:
        """Wait for memory for the other pages, each as large as the first. False: the order begins again at page 1."""
        reservation = work.reservation
        work.has_memory = False
        size_bytes = reservation.received_bytes * work.paging.pages_left
        if not (is_granted := await self.memory.reserve_rest(reservation, size_bytes)):
            work.paging.forget()
            await self.memory.reserve_first_page(reservation)
        work.has_memory = True
        return is_granted

    def _receive(self, work: _Work, page: Page) -> None:
        self.memory.received(work.reservation, _MEMORY_FACTOR * page.bytes)
        work.paging.receive(page)

    async def _side_by_side(self, work: _Work, numbers: list[int]) -> None:
        """Request several pages at the same time. The first failure cancels the others and is raised."""
        bound = asyncio.Semaphore(self._policy.pages_per_order)

        async def one(number: int) -> None:
            async with bound:
                page = await self._page(work, number)
            self._receive(work, page)

        try:
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(one(number))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _page(self, work: _Work, number: int) -> Page:
        """Request one page, with quick tries. Waiting for a turn costs the order nothing."""
        order, effort = work.order, _Effort()
        while True:
            has_failed = effort.failed + effort.probed > 0 or order.attempt > order.absences
            turn = await self._keeper.turn(order.order_id, has_failed=has_failed)
            work.progress.began(turn.sent)
            try:
                page = await self._request(work, number)
            except TransientError as error:
                await self._retry_later(error, effort, turn)
            except (ThrottledError, UnauthorizedError) as error:
                self._excuse(error, effort, turn)
            except OrderError:
                self._keeper.answered(turn)
                raise
            except BaseException:
                self._keeper.cancelled(turn)
                raise
            else:
                self._keeper.answered(turn)
                return page
            finally:
                work.progress.ended(self._clock.monotonic())

    async def _extra_page(self, work: _Work, number: int) -> None:
        """Request the page after the last one, once: a failure means that there is none.

        It counts neither against the order nor against the API. Only throttling and a refused key keep their meaning.
        """
        self._observer.extra_page()
        effort = _Effort()
        while True:
            turn = await self._keeper.turn(work.order.order_id)
            work.progress.began(turn.sent)
            try:
                page = await self._request(work, number)
            except (ThrottledError, UnauthorizedError) as error:
                self._excuse(error, effort, turn)
            except OrderError:
                self._keeper.cancelled(turn)
                work.paging.end()
                return
            except BaseException:
                self._keeper.cancelled(turn)
                raise
            else:
                self._keeper.answered(turn)
                self._receive(work, page)
                return
            finally:
                work.progress.ended(self._clock.monotonic())

    async def _retry_later(self, error: TransientError, effort: _Effort, turn: Turn) -> None:
        """Wait before the next try. Raises the error if no try is left."""
        if not self._keeper.failed(turn, error.reason, str(error)):  # the API is down: the order is not at fault
            effort.probed += turn.is_probe
            if effort.probed >= self._policy.probes:
                raise error
            return
        effort.failed += 1
        effort.spent_s += self._clock.monotonic() - turn.sent
        delay_s = self._policy.tries.delay(failed=effort.failed, spent_s=effort.spent_s, jitter=self._chance())
        if delay_s is None:
            raise error
        self.paused += 1
        try:
            await asyncio.sleep(delay_s)
        finally:
            self.paused -= 1
        effort.spent_s += delay_s

    def _excuse(self, error: ThrottledError | UnauthorizedError, effort: _Effort, turn: Turn) -> None:
        """Let the order try again: throttling and a refused key do not count as tries.

        If the API answers for other orders in the meantime, the failure belongs to this order and counts. Raises the
        error once it counted often enough.
        """
        effort.singled_out += self._keeper.others_answered(turn.order_id, since=effort.refused_at)
        effort.refused_at = turn.sent
        if isinstance(error, ThrottledError):
            most = self._policy.throttled
            self._keeper.throttled(turn, error.retry_after_s)
        else:
            most = self._policy.refused
            self._client.refresh_key()
            self._keeper.refused(turn, error.reason)
        if effort.singled_out >= most:
            raise error

    async def _request(self, work: _Work, number: int) -> Page:
        """Send one request and read its answer; the observer hears of it."""
        order_id, started = work.order.order_id, self._clock.monotonic()
        self.in_flight += 1
        outcome, detail = "cancelled", ""
        try:
            answer = await self._client.ask(order_id, number)
            page = read_page(answer, order_id=order_id, number=number, codes=self._policy.codes, now=self._clock.wall())
            outcome = "ok"
        except OrderError as error:
            outcome, detail = error.reason, str(error)
            work.progress.failed(outcome, detail)
            raise
        finally:
            self.in_flight -= 1
            self._observer.request(outcome, self._clock.monotonic() - started, detail, number)
        return page
