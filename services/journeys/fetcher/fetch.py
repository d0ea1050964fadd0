"""Fetches one order's whole journey: drives the paging rule, with quick tries for faults that pass.

A pause that the API asks for, or that a refused key calls for, holds for the whole account: every request waits for
it before it is sent, and none of the tries is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from journeys.clock import Clock
from journeys.errors import AbsentError, OrderError, PassingError, ThrottledError, UnauthorizedError
from journeys.fetcher.answers import Answer, Meaning, Page, read_page
from journeys.fetcher.paging import EMPTY, Paging, Reading
from journeys.fetcher.retries import QuickTries
from journeys.model import Journey, Order


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

    def unauthorized(self, reason: str) -> None:
        """The key is refused; said once, until `authorized`."""

    def authorized(self) -> None:
        """The key is accepted again."""

    def paused(self, seconds: float) -> None:
        """Every request waits so long: the API asked for it, or refuses the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard to try; times in seconds."""

    max_concurrency: int = 128
    pages_per_order: int = 8
    max_events: int = 10_000
    tries: QuickTries = field(default_factory=QuickTries)
    codes: Mapping[int, Meaning] = field(default_factory=dict)
    pause: QuickTries = field(default_factory=lambda: QuickTries(tries=2**31, base=1.0, cap=30.0, budget=float("inf")))
    """Growing pauses where the API names none."""
    longest_pause: float = 300.0
    """The most of a Retry-After that is believed."""


class Fetcher:
    """Fetches journeys, many at once, with at most `max_concurrency` requests in flight over all of them.

    `chance` gives numbers in [0, 1).
    """

    def __init__(
        self,
        client: Client,
        policy: Policy,
        *,
        observer: Observer,
        chance: Callable[[], float],
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._policy = policy
        self._observer = observer
        self._clock = clock or Clock()
        self._chance = chance
        self._sleep = sleep
        self._slots = asyncio.Semaphore(policy.max_concurrency)
        self._paused_until = 0.0
        self._pauses = 0  # in a row
        self._refused = False
        self.in_flight = 0
        self.bytes_in_hand = 0
        """Bytes of the pages of journeys that are not whole yet."""

    async def fetch(self, order: Order, *, accept_empty: bool = False) -> Journey:
        """The whole journey of an order. Raises OrderError; AbsentError for none, unless `accept_empty`."""
        paging = Paging(max_events=self._policy.max_events)
        try:
            reading = await self._read(paging, order.order_id)
        except AbsentError as absent:
            if paging.promised:  # a page that is missing later must never make an empty journey
                raise PassingError("the journey vanished while it was read", reason="journey-unsettled") from absent
            if not accept_empty:
                raise
            reading = paging.empty or EMPTY
        finally:
            self.bytes_in_hand -= paging.bytes
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

    async def _read(self, paging: Paging, order_id: str) -> Reading:
        while wanted := paging.wanted():
            if len(wanted) == 1:  # most orders have one page: no task is made for it
                self._take(paging, await self._page(order_id, wanted[0]))
            else:
                await self._side_by_side(paging, order_id, wanted)
        assert paging.result is not None, "no page is wanted only when the reading is done"  # noqa: S101
        return paging.result

    def _take(self, paging: Paging, page: Page) -> None:
        self.bytes_in_hand += page.bytes
        paging.receive(page)

    async def _side_by_side(self, paging: Paging, order_id: str, numbers: list[int]) -> None:
        """Take these pages as they come; the first failure cancels the others."""
        bound = asyncio.Semaphore(self._policy.pages_per_order)

        async def one(number: int) -> None:
            async with bound:
                page = await self._page(order_id, number)
            self._take(paging, page)

        try:
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    group.create_task(one(number))
        except ExceptionGroup as failures:
            raise _first(failures) from None

    async def _page(self, order_id: str, number: int) -> Page:
        """One page, with quick tries; waiting for a slot or for the end of a pause counts as no time spent."""
        failed, spent = 0, 0.0
        while True:
            await self._turn()
            sent = self._clock.monotonic()
            try:
                page = await self._request(order_id, number)
            except PassingError:
                failed += 1
                spent += self._clock.monotonic() - sent
                delay = self._policy.tries.delay(failed=failed, spent=spent, jitter=self._chance())
                if delay is None:
                    raise
                await self._sleep(delay)
                spent += delay
            except ThrottledError as throttled:
                self._pause(throttled.retry_after)
            except UnauthorizedError as refused:
                self._client.refresh_key()
                self._pause(None)
                if not self._refused:
                    self._refused = True
                    self._observer.unauthorized(refused.reason)
            except AbsentError:
                self._accepted()
                raise
            else:
                self._accepted()
                return page

    async def _turn(self) -> None:
        """Take a slot while no pause is in force: one may have begun while this request queued."""
        while True:
            while (wait := self._paused_until - self._clock.monotonic()) > 0:
                await self._sleep(wait)
            await self._slots.acquire()
            if self._paused_until <= self._clock.monotonic():
                return
            self._slots.release()

    async def _request(self, order_id: str, number: int) -> Page:
        """One request; gives the slot back."""
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
            self._slots.release()
            self._observer.request(outcome, self._clock.monotonic() - started)
        return page

    def _accepted(self) -> None:
        """The API took the key and kept pace."""
        self._pauses = 0
        if self._refused:
            self._refused = False
            self._observer.authorized()

    def _pause(self, asked: float | None) -> None:
        """Let every request of the account wait, for as long as `asked` or, without it, ever longer."""
        now = self._clock.monotonic()
        if asked:  # "at once" is no pause: refused requests would spin
            seconds = min(asked, self._policy.longest_pause)
        elif now < self._paused_until:
            return  # others of the same burst have paused already
        else:
            self._pauses += 1
            seconds = self._policy.pause.bound(self._pauses) * (0.5 + self._chance() / 2)
        if now + seconds > self._paused_until:
            self._paused_until = now + seconds
            self._observer.paused(seconds)


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    failure: Exception = failures
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure
