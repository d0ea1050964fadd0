"""Orders in hand on the event loop: where each goes, and when none is begun."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.virtual_time import EPOCH, VirtualLoop, run
from tests.support.worker_fakes import FakeGate

from journeys.errors import OrderError, RejectedOrderError, TransientError
from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.pages import Answer
from journeys.model import Journey, Order, OrderMessage, Position, Record
from journeys.routing import Routes
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.handover import AdmittedOrder, FinishedOrder, ResultQueue
from journeys.worker.happenings import Hooks

PASSING = TransientError("the API answered code 7", reason="code-7")
REFUSED = RejectedOrderError("the API answered 400", reason="status-400")
ROUTES = Routes(
    group="journeys", retry_tiers=(("orders.retry.1h", 3600.0),), dead_letter="orders.dead-letter", empty_after=()
)


def admitted(offset: int, *, written: float = 0.0, polled_at: float = -math.inf) -> AdmittedOrder:
    """An order message, written at a virtual time."""
    position = Position(topic="orders.retry.1h", partition=0, offset=offset)
    at = int((EPOCH + written) * 1000)
    return AdmittedOrder(
        epoch=1,
        message=OrderMessage(position=position, key=b"k", value=b"A-1", headers=(), timestamp_ms=at),
        polled_at=polled_at,
    )


class Watch(FakeGate):
    """A gate that remembers since when it was asked about others."""

    since: float | None = None

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """As the test says."""
        self.since = since
        return super().others_answered(order_id, since=since)


class Fixed:
    """A reader, a fetcher and an encoder: all that a pool works with."""

    paused = 0

    def __init__(
        self,
        read: Callable[[OrderMessage], Coroutine[Any, Any, Order]],
        fetch: Callable[[Order], Coroutine[Any, Any, Journey]],
    ) -> None:
        self.read = read
        self._fetch = fetch

    async def fetch(self, order: Order, *, accept_empty: bool) -> Journey:
        """As the test says; no order here was absent before."""
        assert not accept_empty or order.absences == 0
        return await self._fetch(order)

    def encode(self, _: Journey) -> list[Record]:
        """A record."""
        return [Record(topic="journey.summary", key=b"k", value=b"v", headers=[])]


def make_pool(
    loop: VirtualLoop,
    gate: Watch,
    failures: list[BaseException],
    *,
    results: ResultQueue | None = None,
    routes: Routes = ROUTES,
    read: Callable[[OrderMessage], Coroutine[Any, Any, Order]],
    fetch: Callable[[Order], Coroutine[Any, Any, Journey]],
) -> OrderPool:
    """A pool of two slots."""
    fixed = Fixed(read, fetch)
    return OrderPool(
        reader=fixed,
        fetcher=fixed,
        encoder=fixed,
        results=results or ResultQueue(),
        routes=routes,
        slots=2,
        keeper=gate,
        hooks=Hooks(),
        failed=failures.append,
        clock=loop.clock,
    )


def results_of(
    gate: Watch,
    error: OrderError | None,
    work: Callable[[OrderPool, ResultQueue], Coroutine[Any, Any, None]],
    *,
    routes: Routes = ROUTES,
    attempt: int = 1,
) -> list[FinishedOrder]:
    """The results of a pool. `work` brings it orders, each in this attempt; their fetch fails with `error`."""

    async def read(message: OrderMessage) -> Order:
        return Order(
            order_id="A-1",
            account="default",
            edition="e/0/1",
            timestamp_ms=5,
            attempt=attempt,
            absences=0,
            message=message,
        )

    async def fetch(_order: Order) -> Journey:
        if error is not None:
            raise error
        return Journey(
            order_id="A-1",
            account="default",
            edition="e/0/1",
            order_timestamp_ms=5,
            events=(),
            total=0,
            pages=1,
            repeated=0,
            shared_ids=0,
            consistent=True,
            shop_currency=None,
            extra={},
            fetched_at_ms=0,
        )

    async def main(loop: VirtualLoop) -> list[FinishedOrder]:
        failures: list[BaseException] = []
        results = ResultQueue()
        await work(make_pool(loop, gate, failures, results=results, routes=routes, read=read, fetch=fetch), results)
        assert failures == []
        return [results.get_nowait() for _ in range(results.qsize())]

    return run(main)


def test_gatekeeper_counts_dead_letters() -> None:
    """So that it can tell a flood of dead letters."""
    gate = Watch()

    async def work(pool: OrderPool, _results: ResultQueue) -> None:
        pool.submit([admitted(1), admitted(2), admitted(3)])
        await asyncio.sleep(1)

    assert [finished.outcome for finished in results_of(gate, REFUSED, work)] == ["dead-lettered"] * 3
    assert [finished.outcome for finished in results_of(gate, None, work)] == ["published"] * 3
    assert gate.dead == [True] * 3 + [False] * 3


def test_dead_letters_from_the_last_tier_are_no_flood() -> None:
    """The API answered for others meanwhile, so each of them is at fault itself: they must not stop the others."""
    gate = Watch(heard=True)

    async def work(pool: OrderPool, _results: ResultQueue) -> None:
        pool.submit([admitted(1), admitted(2)])
        await asyncio.sleep(1)

    assert [finished.outcome for finished in results_of(gate, PASSING, work)] == ["dead-lettered"] * 2
    assert gate.dead == [False] * 2


class PartlyIllFormed:
    """An API that answers after 20 ms, and never with a journey for the first `bad` of each ten orders."""

    def __init__(self, bad: int) -> None:
        self._bad = bad

    async def ask(self, order_id: str, page: int) -> Answer:
        """One answer."""
        await asyncio.sleep(0.02)
        events: Any = "?" if int(order_id) % 10 < self._bad else [{"event_id": "e"}]
        data = {"order_id": order_id, "total": 1, "page": page, "page_size": 100, "events": events}
        return Answer(status=200, body=json.dumps({"code": 1, "message": "ok", "data": data}).encode())

    def refresh_key(self) -> None:
        """It has none."""


def published_at(bad: int) -> list[float]:
    """When the healthy ones of 1,000 orders are published, if `bad` of each ten never get a journey; in seconds."""

    async def read(message: OrderMessage) -> Order:
        order_id = str(message.position.offset)
        return Order(
            order_id=order_id,
            account="default",
            edition=str(message.position),
            timestamp_ms=5,
            attempt=0,
            absences=0,
            message=message,
        )

    async def main(loop: VirtualLoop) -> list[float]:
        failures: list[object] = []
        results, began = ResultQueue(), loop.time()
        keeper = Gatekeeper(
            Gate(), RateLimiter(), slots=128, chance=lambda: 0.5, changed=failures.append, clock=loop.clock
        )
        fetcher = Fetcher(
            PartlyIllFormed(bad),
            Policy(),
            keeper=keeper,
            observer=Hooks(),
            chance=lambda: 0.5,
            clock=loop.clock,
        )
        pool = OrderPool(
            reader=Fixed(read, fetcher.fetch),
            fetcher=fetcher,
            encoder=Fixed(read, fetcher.fetch),
            results=results,
            routes=ROUTES,
            slots=256,
            keeper=keeper,
            hooks=Hooks(),
            failed=failures.append,
            clock=loop.clock,
        )
        pool.submit([admitted(offset) for offset in range(1000)])
        await asyncio.sleep(3600)
        assert failures == [], "the gate stays open"
        finished = [results.get_nowait() for _ in range(results.qsize())]
        assert len(finished) == 1000
        return sorted(each.at - began for each in finished if each.outcome == "published")

    return run(main)


def test_ill_formed_orders_keep_no_slot_from_healthy_ones() -> None:
    """Six orders in ten that never get a journey: the others are published less than a second later than alone."""
    alone, beside = published_at(0), published_at(6)
    assert len(beside) == 400
    assert beside[-1] < alone[399] + 1.0


def test_last_retry_is_a_dead_letter_only_if_other_orders_were_answered() -> None:
    """Others since it was put into the tier, that is: its record's time counts."""
    outcomes = []
    for heard in (True, False):
        gate = Watch(heard=heard)

        async def work(pool: OrderPool, _results: ResultQueue) -> None:
            await asyncio.sleep(5000)
            pool.submit([admitted(1, written=1000.0)])
            await asyncio.sleep(1)

        [finished] = results_of(gate, PASSING, work)
        outcomes.append((finished.outcome, finished.records[0].topic, round(gate.since or 0)))
    assert outcomes == [("dead-lettered", "orders.dead-letter", 1000), ("retried", "orders.retry.1h", 1000)]


def test_answers_before_an_order_was_read_say_nothing_about_it() -> None:
    """The wall clock of its writer may be hours behind, or this machine's may have jumped forward."""
    gate = Watch(heard=True)

    async def work(pool: OrderPool, _results: ResultQueue) -> None:
        await asyncio.sleep(5000)
        pool.submit([admitted(1, written=1000.0, polled_at=4000.0)])
        await asyncio.sleep(1)

    results_of(gate, PASSING, work)
    assert gate.since == 4000.0


def test_only_dead_letters_from_the_last_tier_are_no_part_of_a_flood() -> None:
    """Without a retry tier every dead letter counts: nothing else stops a worker whose orders all fail."""
    gates = [Watch(), Watch()]

    async def work(pool: OrderPool, _results: ResultQueue) -> None:
        pool.submit([admitted(1)])
        await asyncio.sleep(1)

    none = Routes(group="journeys", retry_tiers=(), dead_letter="orders.dead-letter", empty_after=())
    for gate, routes, attempt in zip(gates, (ROUTES, none), (1, 0), strict=True):
        [finished] = results_of(gate, PASSING, work, routes=routes, attempt=attempt)
        assert finished.outcome == "dead-lettered"
    assert [gate.dead for gate in gates] == [[False], [True]]


def test_no_order_begins_while_the_gate_is_held() -> None:
    """Orders in hand wait too, until the pool resumes."""
    gate = Watch(is_shut=True, is_held=True)

    async def work(pool: OrderPool, results: ResultQueue) -> None:
        pool.submit([admitted(1), admitted(2), admitted(3)])
        await asyncio.sleep(3600)
        assert (len(pool.tasks()), results.qsize()) == (0, 0)
        gate.is_held = False
        pool.resume()
        await asyncio.sleep(1)

    assert len(results_of(gate, None, work)) == 3


def test_task_that_ends_without_a_result_is_a_defect() -> None:
    """A task that is cancelled from elsewhere must not lose its order: the worker stops."""

    async def read(message: OrderMessage) -> Order:
        raise asyncio.CancelledError(str(message.position))

    async def fetch(order: Order) -> Journey:
        raise AssertionError(order)

    async def main(loop: VirtualLoop) -> list[BaseException]:
        failures: list[BaseException] = []
        pool = make_pool(loop, Watch(), failures, read=read, fetch=fetch)
        pool.submit([admitted(1)])
        await asyncio.sleep(1)
        return failures

    [failure] = run(main)
    assert "retry.1h/0/1" in str(failure)


def test_bytes_of_results_count_until_the_kafka_thread_takes_them() -> None:
    """A transaction may take seconds, and the event loop goes on meanwhile: its results are in hand too."""
    gate = Watch()
    seen: list[int] = []

    async def work(pool: OrderPool, results: ResultQueue) -> None:
        pool.submit([admitted(1), admitted(2)])
        await asyncio.sleep(1)
        first = results.get_nowait()
        seen.extend((first.size, results.bytes))
        results.put(first)

    finished = results_of(gate, None, work)
    assert seen == [finished[0].size] * 2
    assert seen[0] > 2, "what a record takes beside its key and value counts as well"
