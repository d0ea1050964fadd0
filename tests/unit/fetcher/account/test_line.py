"""Orders behind a shut gate, in virtual time: turns as a probe, and the order in which they pass when it opens."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.support.virtual_account import IDS, Account, account, fine, status


def test_waiting_orders_pass_in_waves_when_the_gate_opens() -> None:
    """A server that has just recovered is not overloaded again by all that waited."""

    async def work(each: Account) -> None:
        each.keeper.hold()
        waiting = asyncio.create_task(each.fetch(*IDS))
        await asyncio.sleep(10)
        each.keeper.resume()
        await waiting

    seen, _ = account(lambda order_id, _: fine(order_id), work, slots=1000)
    assert [times for _, times in sorted(Counter(seen.api.times).items())] == [8, 16, 32, 64, 128, 52]
    assert seen.api.times[-1] < 10.5


def test_orders_that_failed_pass_after_the_others() -> None:
    """When the gate opens, orders that have not been tried go first."""

    async def work(each: Account) -> None:
        failed = asyncio.create_task(each.fetch(*IDS[:25]))
        await asyncio.sleep(2)
        assert each.keeper.is_shut
        await asyncio.gather(failed, each.fetch(*IDS[25:50]))

    seen, _ = account(lambda order_id, now: status(503) if now < 15 else fine(order_id), work)
    assert set(list(seen.ended)[:15]) <= set(IDS[25:50])
    assert len(seen.ended) == 50


def test_a_few_poison_orders_alone_shut_the_gate_until_another_one_comes() -> None:
    """The line asks for one more order, which opens the gate; then the poison leaves it."""

    async def work(each: Account) -> bool:
        poison = asyncio.create_task(each.fetch(*(f"poison-{number}" for number in range(25))))
        await asyncio.sleep(220)
        assert each.keeper.is_shut
        wants_one_more = each.keeper.line.wants_one_more
        await each.fetch("good")
        await poison
        return wants_one_more

    seen, wants_one_more = account(
        lambda order_id, _: fine(order_id) if order_id == "good" else status(500), work, slots=4
    )
    assert wants_one_more
    assert seen.ended == {"good": "ok"} | {f"poison-{number}": "status-500" for number in range(25)}
    assert seen.states[:2] == ["down", "open"]


def test_the_first_order_to_come_is_the_probe() -> None:
    """With no order in hand the gate stays shut, asks for one, and opens with it."""

    async def work(each: Account) -> None:
        waiting = asyncio.create_task(each.fetch(*IDS[:40]))
        await asyncio.sleep(5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(60)
        assert (each.keeper.is_shut, each.keeper.line.wants_one_more) == (True, True)
        await each.fetch("one")

    seen, _ = account(lambda order_id, now: status(503) if now < 35 else fine(order_id), work)
    assert (seen.ended, seen.states) == ({"one": "ok"}, ["down", "open"])


def test_a_cancelled_probe_is_followed_by_another() -> None:
    """An order whose partition goes while it probes does not take the probe along."""

    async def work(each: Account) -> None:
        fetching = [asyncio.create_task(each.fetch(order_id)) for order_id in IDS[:30]]
        for task in fetching[:29]:
            await asyncio.sleep(1)
            task.cancel()
        await asyncio.gather(*fetching, return_exceptions=True)

    seen, _ = account(lambda order_id, now: status(503) if now < 35 else fine(order_id), work)
    assert seen.ended == {"order-29": "ok"}
