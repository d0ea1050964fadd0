"""Memory for journeys that are being read: an order begins, and reads on beyond its first page, where there is room.

    begin ──► first page ──► read on ──► the other pages ──► leave
      ▲                         │
      └─────── give back ◄──────┘

How large a journey is, only its first page tells. So orders begin within one half of the memory, with what a first
page took lately for a guess; what a whole journey is expected to take must fit into all of it before it reads on. Who
came first goes first, and while anybody waits to read on, nobody begins. A large journey may not fit beside the first
pages of others: where nobody reads on, those that came last give theirs back and begin anew.

So the bound holds as far as these expectations do, but for two cases in which each journey must be read in the end. One
that has no room for itself alone reads on once what is finished takes no more than a quarter. Where what is finished is
*held up*, by an order that is still to be read, one after the other may, however much that is: the one it waits for is
in line. First pages may be larger than those before them, other pages larger than the first, and a journey that is read
again takes room twice.
"""

from __future__ import annotations

import asyncio
import math
from bisect import insort
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import msgspec

_FADES = 0.75
"""The share of the guess at a first page that is left after each smaller one: an odd large journey among small ones
must not keep these from beginning, while large ones that follow one another stay expected."""
_AGAIN = 0.02
"""Seconds to the next look at room that others make."""


class Seat(msgspec.Struct, kw_only=True):
    """What one order takes."""

    number: int = 0
    """Of its coming, from 1."""
    taken: int = 0
    """Bytes of its pages."""
    expected: int = 0
    """Bytes of pages that are still to come."""
    reads_on: bool = False


class _Waiting(NamedTuple):
    """An order in line. Sorts by `number`, of which there are no two."""

    number: int
    seat: Seat
    size: int
    passed: asyncio.Future[bool]
    """True once it may go on."""


class Room:
    """Belongs to the event loop; other threads may read `taken`.

    `elsewhere` tells the bytes of what was read and is not published yet, and `is_held_up` whether it cannot be, before
    more is read. While `waived`, all may begin: somebody must, to find out whether anything can be read. `first` is
    what a first page takes, as long as none is known.
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
        self._numbers = count(1)
        self._to_begin: list[_Waiting] = []
        self._to_read_on: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self, seat: Seat) -> None:
        """Wait until an order may ask for its first page, also after it gave that back."""
        seat.number = seat.number or next(self._numbers)
        if self._to_begin or not self._may_begin():
            await self._wait(self._to_begin, seat, 0)
        else:
            self._expect(seat, self._first)

    async def read_on(self, seat: Seat, size: int) -> bool:
        """Wait until an order may ask for its other pages, so many bytes in all.

        False where it is to give its first page back instead: this is not in the room any more, and it begins again.
        """
        if self._to_read_on or not self._may_read_on(seat, size):
            return await self._wait(self._to_read_on, seat, size)
        self._let_read_on(seat, size)
        return True

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
        if self._waived():
            return True
        if self._to_read_on:
            return False
        reading = self.taken + self._expected
        if self.elsewhere() + reading + self._first <= self._limit / 2:
            return True
        return reading <= 0 and (self._is_low() or self.is_held_up())

    def _may_read_on(self, seat: Seat, size: int) -> bool:
        if not self._readers:
            self._take_back(size)
        if self.elsewhere() + self.taken + self._expected + size <= self._limit:
            return True
        if self._readers:
            return False
        is_too_large = seat.taken + size > self._limit
        return (is_too_large and self._is_low()) or self.is_held_up()

    def _take_back(self, size: int) -> None:
        """Make room for the first in line, as far as it is not taken by what is finished: that goes by itself."""
        while len(self._to_read_on) > 1 and self.taken + self._expected + size > self._limit:
            last = self._to_read_on.pop()
            if not last.passed.done():
                self.taken -= last.seat.taken
                last.seat.taken = 0
                last.passed.set_result(False)

    def _is_low(self) -> bool:
        return self.elsewhere() <= self._limit / 4

    async def _wait(self, line: list[_Waiting], seat: Seat, size: int) -> bool:
        passed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        insort(line, _Waiting(seat.number, seat, size, passed))
        self._come_back()
        return await passed

    def _look(self) -> None:
        """Let those pass for whom there is room now."""
        line = self._to_read_on
        while line and (line[0].passed.done() or self._may_read_on(line[0].seat, line[0].size)):
            first = line.pop(0)
            if not first.passed.done():
                self._let_read_on(first.seat, first.size)
                first.passed.set_result(True)
        line = self._to_begin
        while line and (line[0].passed.done() or self._may_begin()):
            first = line.pop(0)
            if not first.passed.done():
                self._expect(first.seat, self._first)
                first.passed.set_result(True)
        self._come_back()

    def _come_back(self) -> None:
        """Look again soon while anybody waits: what is published makes room on another thread, which tells nobody."""
        if self._timer is None and (self._to_begin or self._to_read_on):
            self._timer = asyncio.get_running_loop().call_later(_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._look()
