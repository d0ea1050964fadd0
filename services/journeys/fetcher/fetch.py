"""Fetches one order's whole journey: drives the paging rule, with quick tries for faults that pass.

Every request waits for its turn at the account's gatekeeper. What the API asks of all, a pause or another key, and an
outage use up none of an order's tries.
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
from journeys.model import Journey, Order, Position

_DECODED = 3
"""What a decoded page takes in memory, in bytes of its body; about (2.6 to 2.9 measured)."""


class Client(Protocol):
    """Asks the API for pages."""

    async def ask(self, order_id: str, page: int) -> Answer:
        """One request. Raises OrderError."""

    def refresh_key(self) -> None:
        """The key was refused: look for a new one."""


class Observer(Protocol):
    """Who counts and logs requests; must be cheap."""

    def request(self, outcome: str, seconds: float) -> None:
        """A request ended: `ok`, or the reason of its failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard to try; times in seconds."""

    pages_per_order: int = 8
    max_events: int = 10_000
    tries: QuickTries = field(default_factory=QuickTries)
    codes: Mapping[int, Meaning] = field(default_factory=dict)
    probes: int = 3
    """As how many probes in vain an order may serve before it makes room for another, and waits in a tier."""
    throttled: int = 10
    """How often an order may be throttled while the API answers for others in between."""
    refused: int = 3
    """How often the key may be refused for an order while the API answers for others in between."""


class _Effort(msgspec.Struct, kw_only=True):
    """What one page has cost so far."""

    failed: int = 0
    """Tries that count."""
    spent: float = 0.0
    """Seconds, on these and between them."""
    probed: int = 0
    """How often it was a probe in vain."""
    singled_out: int = 0
    """How often it was throttled, or its key refused, although others were heard since the time before."""
    refused_at: float = math.inf
    """When the request was sent that was refused last."""


class Fetcher:
    """Fetches journeys, many at once; `keeper` says when a request may be sent, `memory` bounds the pages in memory.

    `chance` gives numbers in [0, 1).
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
        self._pagings: dict[Position, Paging] = {}

    @property
    def bytes_in_hand(self) -> int:
        """Memory that journeys take which are not whole yet, about."""
        return self.memory.received_bytes

    def progress(self) -> dict[Position, int]:
        """The orders being fetched, each with a number that changes with every page; may be called from any thread.

        Those that wait for memory are left out.
        """
        return {position: paging.bytes for position, paging in list(self._pagings.items())}

    async def fetch(self, order: Order, *, accept_empty: bool = False) -> Journey:
        """The whole journey of an order. Raises OrderError; NotFoundYetError for none, unless `accept_empty`."""
        paging, reservation = Paging(max_events=self._policy.max_events), Reservation()
        try:
            await self.memory.reserve_first_page(reservation)
            self._pagings[order.message.position] = paging
            reading = await self._read(paging, reservation, order)
        except NotFoundYetError as absent:
            if paging.promised:  # a page that is missing later must never make an empty journey
                raise failure("journey-unsettled", "the journey vanished while it was read") from absent
            if not accept_empty:
                raise
            reading = paging.empty or EMPTY
        finally:
            if self._pagings.get(order.message.position) is paging:  # a later assignment may read it again by now
                del self._pagings[order.message.position]
            self.memory.release(reservation)
        return Journey(
            order_id=order.order_id,
            account=order.account,
            edition=order.edition,
            order_timestamp_ms=order.timestamp_ms,
            events=reading.events,
            total=reading.total,
            pages=reading.pages,
            repeated=reading.repeated,
            consistent=reading.consistent,
            shop_currency=reading.shop_currency,
            extra=reading.extra,
            fetched_at_ms=self._clock.wall_ms(),
        )

    async def _read(self, paging: Paging, reservation: Reservation, order: Order) -> Reading:
        while wanted := paging.wanted():
            may_ask = (
                1 in wanted
                or reservation.reads_rest
                or await self._wait_for_memory(paging, reservation, order, pages=len(wanted))
            )
            if not may_ask:
                continue
            if len(wanted) == 1:  # most orders have one page: no task is made for it
                self._take(paging, reservation, await self._page(order.order_id, wanted[0]))
            else:
                await self._side_by_side(paging, reservation, order.order_id, wanted)
        assert paging.result is not None, "no page is wanted only when the reading is done"  # noqa: S101
        return paging.result

    async def _wait_for_memory(self, paging: Paging, reservation: Reservation, order: Order, *, pages: int) -> bool:
        """Until so many pages more may be read, each as large as what is there of the order; else it is read anew."""
        position = order.message.position
        self._pagings.pop(position, None)
        if not (is_there := await self.memory.reserve_rest(reservation, reservation.received_bytes * pages)):
            paging.forget()
            await self.memory.reserve_first_page(reservation)
        self._pagings[position] = paging
        return is_there

    def _take(self, paging: Paging, reservation: Reservation, page: Page) -> None:
        self.memory.received(reservation, _DECODED * page.bytes)
        paging.receive(page)

    async def _side_by_side(self, paging: Paging, reservation: Reservation, order_id: str, numbers: list[int]) -> None:
        """Take these pages as they come; the first failure cancels the others."""
        bound = asyncio.Semaphore(self._policy.pages_per_order)

        async def one(number: int) -> None:
            async with bound:
                page = await self._page(order_id, number)
            self._take(paging, reservation, page)

        try:
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(one(number))
        except ExceptionGroup as failures:
            raise _first(failures) from None

    async def _page(self, order_id: str, number: int) -> Page:
        """One page, with quick tries; waiting for a turn counts as no time spent."""
        effort = _Effort()
        while True:
            turn = await self._keeper.turn(order_id)
            try:
                page = await self._request(order_id, number)
            except TransientError as error:
                await self._pass_over(error, effort, turn)
            except (ThrottledError, UnauthorizedError) as error:
                self._bear_with(error, effort, turn)
            except OrderError:
                self._keeper.answered(turn)
                raise
            except BaseException:
                self._keeper.cancelled(turn)
                raise
            else:
                self._keeper.answered(turn)
                return page

    async def _pass_over(self, error: TransientError, effort: _Effort, turn: Turn) -> None:
        """Wait for the next try. Raises the error when it was the last one."""
        if not self._keeper.failed(turn, error.reason):  # the API is down: not this order's fault
            effort.probed += turn.is_probe
            if effort.probed >= self._policy.probes:
                raise error
            return
        effort.failed += 1
        effort.spent += self._clock.monotonic() - turn.sent
        delay = self._policy.tries.delay(failed=effort.failed, spent=effort.spent, jitter=self._chance())
        if delay is None:
            raise error
        await asyncio.sleep(delay)
        effort.spent += delay

    def _bear_with(self, error: ThrottledError | UnauthorizedError, effort: _Effort, turn: Turn) -> None:
        """Count no try, unless others are heard in between: then it is about this order. Raises the error if it is."""
        effort.singled_out += self._keeper.others_answered(turn.order_id, since=effort.refused_at)
        effort.refused_at = turn.sent
        if isinstance(error, ThrottledError):
            most = self._policy.throttled
            self._keeper.throttled(turn, error.retry_after)
        else:
            most = self._policy.refused
            self._client.refresh_key()
            self._keeper.refused(turn, error.reason)
        if effort.singled_out >= most:
            raise error

    async def _request(self, order_id: str, number: int) -> Page:
        """One request, watched."""
        started = self._clock.monotonic()
        self.in_flight += 1
        outcome = "cancelled"
        try:
            answer = await self._client.ask(order_id, number)
            page = read_page(answer, order_id=order_id, number=number, codes=self._policy.codes, now=self._clock.wall())
            outcome = "ok"
        except OrderError as error:
            outcome = error.reason
            raise
        finally:
            self.in_flight -= 1
            self._observer.request(outcome, self._clock.monotonic() - started)
        return page


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    failure: Exception = failures
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure
