"""The memory budget of journeys that are being read.

    reserve_first_page ──► first page ──► reserve_rest ──► the other pages ──► release
            ▲                                  │
            └──────── first page dropped ◄─────┘

The size of a journey is known only from its first page. So an order reserves twice: its first page, from one half of
the budget, at the size of recent first pages; then all its other pages at once, from the whole budget.

Both queues are first come, first served. While an order waits for `reserve_rest`, no other order may begin. If none is
reading its other pages and the first in the queue still does not fit, the last ones in the queue drop their first page
and begin again.

The limit has three exceptions, because every journey must be read in the end:

- A journey larger than the whole budget is read once unpublished results take at most a quarter of the budget.
- Unpublished results may be blocked by an older order that is not read yet. Then orders are admitted one at a time,
  ignoring the limit, until that order has been read.
- Sizes are estimates. First pages may be larger than recent ones, other pages larger than the first.
"""

from __future__ import annotations

import asyncio
import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Protocol

import msgspec

_DECAY = 0.75
"""How the expected size of a first page falls with each smaller page; a larger page raises it at once. One large page
among small ones is soon forgotten, while a series of large pages stays expected."""
_POLL_S = 0.02
"""Publishing frees memory on another thread, without a signal: orders that wait look again this often."""


class Reservation(msgspec.Struct, kw_only=True):
    """The memory of one order."""

    number: int = 0
    """Its place in the queues: counts orders from 1, in the order of their first call; 0 before that."""
    received_bytes: int = 0
    """Memory of the pages that were received."""
    expected_bytes: int = 0
    """Memory reserved for pages that are still to come."""
    reads_rest: bool = False
    """Whether the pages after the first are reserved."""


class _Waiting(NamedTuple):
    """An order in a queue. Sorts by `number`, which is unique in a queue."""

    number: int
    reservation: Reservation
    size_bytes: int
    granted: asyncio.Future[bool]
    """True: the memory is reserved. False: the first page is dropped."""


class Backlog(Protocol):
    """Journeys that were read and are not published yet. Read on the event loop at every decision; must not block."""

    @property
    def unpublished_bytes(self) -> int:
        """Memory that they take, in bytes."""

    @property
    def is_blocked(self) -> bool:
        """Whether all of them wait for an order that is not read yet."""


@dataclass(frozen=True, slots=True)
class NoBacklog:
    """The backlog of a fetcher whose journeys nothing publishes, as in a benchmark."""

    unpublished_bytes: int = 0
    is_blocked: bool = False


class MemoryBudget:
    """Shares `limit_bytes` among journeys being read. Belongs to the event loop; any thread may read `received_bytes`.

    `suspended` says whether first pages are reserved at once: during an outage any order may be chosen as the next
    probe, so none may wait here. `first_page_bytes` is the expected size of a first page until one was received.
    """

    def __init__(
        self,
        limit_bytes: float = math.inf,
        *,
        backlog: Backlog | None = None,
        suspended: Callable[[], bool] = lambda: False,
        first_page_bytes: int = 256 * 1024,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._suspended = suspended
        self._backlog = backlog or NoBacklog()
        self.received_bytes = 0
        """Memory of the pages of all unfinished journeys."""
        self._expected_bytes = 0
        self._readers = 0  # orders whose other pages are reserved
        self._first_page_bytes = first_page_bytes
        self._numbers = count(1)
        self._to_begin: list[_Waiting] = []
        self._to_read_rest: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None

    async def reserve_first_page(self, reservation: Reservation) -> None:
        """Wait until the order may request its first page; also after `reserve_rest` made it drop that page."""
        reservation.number = reservation.number or next(self._numbers)
        if self._to_begin or not self._may_begin():
            await self._wait(self._to_begin, reservation, 0)
        else:
            self._expect(reservation, self._first_page_bytes)

    async def reserve_rest(self, reservation: Reservation, size_bytes: int) -> bool:
        """Wait until the order may request its other pages, `size_bytes` in all.

        Returns False if the order has to drop its first page: this is released already, and the order begins again.
        """
        if self._to_read_rest or not self._may_read_rest(reservation, size_bytes):
            return await self._wait(self._to_read_rest, reservation, size_bytes)
        self._grant_rest(reservation, size_bytes)
        return True

    def received(self, reservation: Reservation, size_bytes: int) -> None:
        """Count a page of the order, `size_bytes` in memory, as received and no longer expected."""
        if not reservation.reads_rest:
            self._first_page_bytes = max(size_bytes, int(self._first_page_bytes * _DECAY))
        self._expect(reservation, max(0, reservation.expected_bytes - size_bytes) if reservation.reads_rest else 0)
        reservation.received_bytes += size_bytes
        self.received_bytes += size_bytes

    def release(self, reservation: Reservation) -> None:
        """Free all memory of the order: its journey is read, or it was cancelled."""
        self._expect(reservation, 0)
        self._readers -= reservation.reads_rest
        self.received_bytes -= reservation.received_bytes
        reservation.received_bytes, reservation.reads_rest = 0, False
        if self._to_begin or self._to_read_rest:  # not at once: first count the journey as unpublished
            asyncio.get_running_loop().call_soon(self._admit)

    def _expect(self, reservation: Reservation, size_bytes: int) -> None:
        self._expected_bytes += size_bytes - reservation.expected_bytes
        reservation.expected_bytes = size_bytes

    def _grant_rest(self, reservation: Reservation, size_bytes: int) -> None:
        self._expect(reservation, size_bytes)
        self._readers += 1
        reservation.reads_rest = True

    def _may_begin(self) -> bool:
        if self._suspended():
            return True
        if self._to_read_rest:
            return False
        reading = self.received_bytes + self._expected_bytes
        if self._backlog.unpublished_bytes + reading + self._first_page_bytes <= self._limit_bytes / 2:
            return True
        return reading <= 0 and (self._is_mostly_free() or self._backlog.is_blocked)

    def _may_read_rest(self, reservation: Reservation, size_bytes: int) -> bool:
        if not self._readers:
            self._drop_first_pages(size_bytes)
        if (
            self._backlog.unpublished_bytes + self.received_bytes + self._expected_bytes + size_bytes
            <= self._limit_bytes
        ):
            return True
        if self._readers:
            return False
        exceeds_budget = reservation.received_bytes + size_bytes > self._limit_bytes
        return (exceeds_budget and self._is_mostly_free()) or self._backlog.is_blocked

    def _drop_first_pages(self, size_bytes: int) -> None:
        """Free first pages, the last in the queue first, until `size_bytes` fit beside those that are left.

        Unpublished journeys are not counted: publishing frees their memory without our help.
        """
        while (
            len(self._to_read_rest) > 1 and self.received_bytes + self._expected_bytes + size_bytes > self._limit_bytes
        ):
            last = self._to_read_rest.pop()
            if not last.granted.done():
                self.received_bytes -= last.reservation.received_bytes
                last.reservation.received_bytes = 0
                last.granted.set_result(False)

    def _is_mostly_free(self) -> bool:
        return self._backlog.unpublished_bytes <= self._limit_bytes / 4

    async def _wait(self, queue: list[_Waiting], reservation: Reservation, size_bytes: int) -> bool:
        granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        insort(queue, _Waiting(reservation.number, reservation, size_bytes, granted))
        self._schedule_poll()
        return await granted

    def _admit(self) -> None:
        """Grant memory to the orders at the head of both queues, as long as it suffices."""
        queue = self._to_read_rest
        while queue and (queue[0].granted.done() or self._may_read_rest(queue[0].reservation, queue[0].size_bytes)):
            first = queue.pop(0)
            if not first.granted.done():
                self._grant_rest(first.reservation, first.size_bytes)
                first.granted.set_result(True)
        queue = self._to_begin
        while queue and (queue[0].granted.done() or self._may_begin()):
            first = queue.pop(0)
            if not first.granted.done():
                self._expect(first.reservation, self._first_page_bytes)
                first.granted.set_result(True)
        self._schedule_poll()

    def _schedule_poll(self) -> None:
        if self._timer is None and (self._to_begin or self._to_read_rest):
            self._timer = asyncio.get_running_loop().call_later(_POLL_S, self._poll)

    def _poll(self) -> None:
        self._timer = None
        self._admit()
