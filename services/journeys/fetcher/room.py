"""Memory for journeys that are being read: an order begins, and reads on beyond its first page, where there is room.

    begin ──► first page ──► read on ──► the other pages ──► leave

How large a journey is, only its first page tells. So orders begin within one half of the memory, with what a first
page took lately for a guess; what a whole journey is expected to take must fit into all of it before it reads on,
first come, first served. One of more than half may not fit beside the first pages of others: where nobody reads on,
the first in line may all the same, once what is finished takes no more than a quarter, so that each journey is read in
the end. Where what is finished is *held up*, by an order that is still to be read, one after the other may, however
much that is: the one it waits for is in line. A journey that must be read again takes more than was expected of it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import msgspec

_FADES = 0.75
"""The share of the guess at a first page that is left after each smaller one: an odd large journey among small ones
must not keep these from beginning, while large ones that follow one another stay expected."""
_AGAIN = 0.02
"""Seconds to the next look at room that others make."""


class Seat(msgspec.Struct, kw_only=True):
    """What one order takes."""

    taken: int = 0
    """Bytes of its pages."""
    expected: int = 0
    """Bytes of pages that are still to come."""
    reads_on: bool = False


_Line: TypeAlias = deque[tuple[asyncio.Future[None], Seat, int]]


class Room:
    """Belongs to the event loop; other threads may read `taken`.

    `elsewhere` tells the bytes of what was read and is not published yet, and `is_held_up` whether it cannot be, before
    more is read. While `waived`, all may begin: behind a shut gate nothing is read. `first` is what a first page takes,
    as long as none is known.
    """

    def __init__(
        self,
        limit: float = math.inf,
        *,
        waived: Callable[[], bool] = lambda: False,
        first: int = 256 * 1024,
    ) -> None:
        self._limit = limit
        self._waived = waived
        self.elsewhere: Callable[[], int] = lambda: 0
        self.is_held_up: Callable[[], bool] = lambda: False
        self.taken = 0
        """Bytes of the pages of journeys that are not whole yet."""
        self._expected = 0
        self._readers = 0
        self._first = first
        self._to_begin: _Line = deque()
        self._to_read_on: _Line = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self, seat: Seat) -> None:
        """Wait until an order may ask for its first page."""
        if self._to_begin or not self._may_begin():
            await self._wait(self._to_begin, seat, 0)
        else:
            self._expect(seat, self._first)

    async def read_on(self, seat: Seat, size: int) -> None:
        """Wait until an order may ask for its other pages, so many bytes in all."""
        if self._to_read_on or not self._may_read_on(size):
            await self._wait(self._to_read_on, seat, size)
        else:
            self._let_read_on(seat, size)

    def came(self, seat: Seat, size: int) -> None:
        """A page of an order is here."""
        if not seat.reads_on:
            self._first = max(size, int(self._first * _FADES))
        self._expect(seat, max(0, seat.expected - size) if seat.reads_on else 0)
        seat.taken += size
        self.taken += size

    def leave(self, seat: Seat) -> None:
        """The order is read, or given up."""
        self._expect(seat, 0)
        self._readers -= seat.reads_on
        self.taken -= seat.taken
        seat.taken, seat.reads_on = 0, False
        if self._to_begin or self._to_read_on:  # not at once: what is made of the journey takes room first
            asyncio.get_running_loop().call_soon(self._look)

    def _expect(self, seat: Seat, size: int) -> None:
        self._expected += size - seat.expected
        seat.expected = size

    def _let_read_on(self, seat: Seat, size: int) -> None:
        self._expect(seat, size)
        self._readers += 1
        seat.reads_on = True

    def _may_begin(self) -> bool:
        reading = self.taken + self._expected
        if self.elsewhere() + reading + self._first <= self._limit / 2 or self._waived():
            return True
        return reading <= 0 and self._may_be_alone()

    def _may_read_on(self, size: int) -> bool:
        if self.elsewhere() + self.taken + self._expected + size <= self._limit:
            return True
        return not self._readers and self._may_be_alone()

    def _may_be_alone(self) -> bool:
        """Whether a journey that finds no room may be read where no other is: what is finished goes first."""
        return self.elsewhere() <= self._limit / 4 or self.is_held_up()

    async def _wait(self, line: _Line, seat: Seat, size: int) -> None:
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append((passed, seat, size))
        self._come_back()
        await passed

    def _look(self) -> None:
        """Let those pass for whom there is room now."""
        while self._to_read_on and (self._to_read_on[0][0].done() or self._may_read_on(self._to_read_on[0][2])):
            passed, seat, size = self._to_read_on.popleft()
            if not passed.done():
                self._let_read_on(seat, size)
                passed.set_result(None)
        while self._to_begin and (self._to_begin[0][0].done() or self._may_begin()):
            passed, seat, _ = self._to_begin.popleft()
            if not passed.done():
                self._expect(seat, self._first)
                passed.set_result(None)
        self._come_back()

    def _come_back(self) -> None:
        """Look again soon while anybody waits: what is published makes room on another thread, which tells nobody."""
        if self._timer is None and (self._to_begin or self._to_read_on):
            self._timer = asyncio.get_running_loop().call_later(_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._look()
