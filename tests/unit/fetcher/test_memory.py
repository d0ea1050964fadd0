"""Memory for journeys that are being read, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.virtual_time import run

from journeys.fetcher.memory import MemoryBudget, Reservation

MIB = 2**20


@dataclass
class Reader:
    """Reads journeys with pages of one size, a page each 10 ms; it publishes a journey a second after it was read.

    It is the backlog too: its journeys are blocked until it has read the journey `blocked_until`.
    """

    limit: int
    page: int
    suspended: bool = False
    blocked_until: int | None = None
    finished: int = 0
    most: int = 0
    read: list[int] = field(default_factory=list)
    began: list[int] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = MemoryBudget(self.limit, backlog=self, suspended=lambda: self.suspended)

    @property
    def unpublished_bytes(self) -> int:
        """Bytes of the journeys that were read less than a second ago."""
        return self.finished

    @property
    def is_blocked(self) -> bool:
        """Whether they wait for a journey that is not read yet."""
        return self.blocked_until is not None and self.blocked_until not in self.read

    def _look(self) -> None:
        self.most = max(self.most, self.memory.received_bytes + self.finished)

    async def journey(self, number: int, pages: int) -> None:
        """Read one."""
        reservation = Reservation()
        try:
            await self._first_page(number, reservation)
            if pages > 1:
                while not await self.memory.reserve_rest(reservation, self.page * (pages - 1)):
                    self.given_back.append(number)
                    await self._first_page(number, reservation)
                await self._pages(reservation, pages - 1)
        finally:
            self.memory.release(reservation)
        size = self.page * pages // 2
        self.finished += size
        self._look()
        self.read.append(number)
        await asyncio.sleep(1)
        self.finished -= size

    async def _first_page(self, number: int, reservation: Reservation) -> None:
        await self.memory.reserve_first_page(reservation)
        self.began.append(number)
        await self._pages(reservation, 1)

    async def _pages(self, reservation: Reservation, pages: int) -> None:
        for _ in range(pages):
            await asyncio.sleep(0.01)
            self.memory.received(reservation, self.page)
            self._look()


def with_memory(
    work: Callable[[Reader], Coroutine[Any, Any, None]], *, limit: int, page: int, suspended: bool = False
) -> Reader:
    """A reader after its work."""
    reader = Reader(limit, page, suspended)
    run(lambda _: work(reader))
    assert (reader.memory.received_bytes, reader.finished) == (0, 0)
    return reader


def test_large_journeys_wait_for_memory() -> None:
    """Of 64 MiB two journeys of 25 fit, beside the first pages of others; the bound holds throughout."""

    async def work(reader: Reader) -> None:
        await asyncio.gather(*(reader.journey(number, 100) for number in range(40)))

    reader = with_memory(work, limit=64 * MIB, page=MIB // 4)
    assert sorted(reader.read) == list(range(40))
    assert 40 * MIB < reader.most <= 64 * MIB


def test_first_pages_are_dropped_for_a_large_journey() -> None:
    """They fill one half: those that came last are given back, and come again when the others are read."""

    async def work(reader: Reader) -> None:
        await asyncio.gather(*(reader.journey(number, 100) for number in range(80)))

    reader = with_memory(work, limit=40 * MIB, page=MIB // 4)
    assert reader.read == list(range(80))
    assert reader.most <= 40 * MIB
    assert reader.given_back
    assert min(reader.given_back) >= 60


def test_orders_that_dropped_their_first_page_begin_next() -> None:
    """Before those that have not begun yet."""

    async def work(reader: Reader) -> None:
        await reader.journey(0, 1)  # now it is known what a first page takes: five may begin
        await asyncio.gather(*(reader.journey(number, 9 if number <= 5 else 1) for number in range(1, 10)))

    reader = with_memory(work, limit=10 * MIB, page=MIB)
    assert reader.most <= 10 * MIB
    assert len(reader.given_back) >= 3
    assert reader.began[:6] == list(range(6))
    assert set(reader.began[6:9]) == set(reader.given_back[:3])


def test_no_order_begins_while_a_large_one_waits() -> None:
    """Or what is finished would never leave enough room at once."""

    async def work(reader: Reader) -> None:
        reader.finished = 4 * MIB
        large = asyncio.create_task(reader.journey(0, 40))
        await asyncio.sleep(0.1)
        small = [asyncio.create_task(reader.journey(number, 1)) for number in range(1, 20)]
        await asyncio.sleep(5)
        assert (reader.read, reader.memory.received_bytes) == ([], MIB // 4)
        reader.finished = 0
        await asyncio.gather(large, *small)
        assert reader.read[0] == 0

    with_memory(work, limit=12 * MIB, page=MIB // 4)


def test_small_journeys_are_read_side_by_side() -> None:
    """As soon as their size is known."""

    async def work(reader: Reader) -> None:
        for start in range(0, 1000, 50):
            await asyncio.gather(*(reader.journey(number, 1) for number in range(start, start + 50)))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(reader.journey(number, 1) for number in range(256)))
        assert asyncio.get_running_loop().time() - began < 1.02

    assert with_memory(work, limit=64 * MIB, page=1000).most < MIB


def test_one_large_first_page_does_not_delay_small_ones() -> None:
    """Nineteen small first pages in twenty, and 128 side by side: the guess at the next one comes down in time."""

    async def work(reader: Reader) -> None:
        for _ in range(100):
            await reader.journey(0, 1)
        reservations = [Reservation() for _ in range(2000)]
        for number, reservation in enumerate(reservations):
            if number >= 128:
                reader.memory.release(reservations[number - 128])
            await asyncio.wait_for(reader.memory.reserve_first_page(reservation), 0.001)
            if number >= 127:
                reader.memory.received(reservations[number - 127], 340_000 if number % 20 == 0 else 30_000)
        for reservation in reservations[-128:]:
            reader.memory.release(reservation)

    with_memory(work, limit=32 * MIB, page=30_000)


def test_a_journey_larger_than_the_budget_is_read_alone() -> None:
    """In the end each is read, whatever it takes."""

    async def work(reader: Reader) -> None:
        await asyncio.gather(*(reader.journey(number, 9) for number in range(3)))

    reader = with_memory(work, limit=MIB, page=MIB)
    assert sorted(reader.read) == [0, 1, 2]
    assert reader.most < 2 * 9 * MIB


def test_the_order_that_blocks_publishing_is_read() -> None:
    """Unpublished journeys fill the budget until the last order in the queue is read: orders go in one at a time."""

    async def work(reader: Reader) -> None:
        reader.finished = 9 * MIB
        reader.blocked_until = 2
        await asyncio.gather(*(reader.journey(number, 3) for number in range(3)))
        assert reader.most <= (9 + 3 + 3) * MIB + 2 * 3 * MIB // 2
        reader.finished -= 9 * MIB

    assert with_memory(work, limit=MIB, page=MIB).read == [0, 1, 2]


def test_a_suspended_budget_lets_every_order_begin() -> None:
    """Behind a shut gate nothing is read, and who is to probe must not wait here."""

    async def work(reader: Reader) -> None:
        reservations = [Reservation() for _ in range(300)]
        for reservation in reservations:
            await asyncio.wait_for(reader.memory.reserve_first_page(reservation), 0.001)
        for reservation in reservations:
            reader.memory.release(reservation)

    with_memory(work, limit=MIB, page=MIB, suspended=True)


def test_cancelled_orders_leave_no_reservation() -> None:
    """In line, or just let in."""

    async def work(reader: Reader) -> None:
        first = asyncio.create_task(reader.journey(0, 9))
        tasks = [asyncio.create_task(reader.journey(number, 9)) for number in range(1, 9)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(first, *tasks, return_exceptions=True)
        await reader.journey(9, 9)

    assert with_memory(work, limit=MIB, page=MIB).read == [0, 9]


@given(
    limit=st.integers(1, 100),
    journeys=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 12), st.booleans()), max_size=30),
)
def test_every_journey_is_read_within_the_limit(limit: int, journeys: list[tuple[float, int, bool]]) -> None:
    """At any times of arrival and cancellation, if a first page has its expected size."""
    page = 256 * 1024

    async def work(reader: Reader) -> None:
        async def one(number: int, delay: float, pages: int, *, is_cancelled: bool) -> None:
            await asyncio.sleep(delay)
            task = asyncio.create_task(reader.journey(number, pages))
            if is_cancelled:
                await asyncio.sleep(0.015)
                if number not in reader.read:
                    task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.gather(
            *(one(number, delay, pages, is_cancelled=gone) for number, (delay, pages, gone) in enumerate(journeys))
        )

    reader = with_memory(work, limit=limit * page, page=page)
    assert {number for number, (_, _, gone) in enumerate(journeys) if not gone} <= set(reader.read)
    largest = max((pages for _, pages, _ in journeys), default=0)
    # Where the largest does not fit, it is read all the same.
    assert reader.most <= (limit + 1) * page + largest * page * (largest > limit)
