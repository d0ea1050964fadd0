"""Many orders of one account, in virtual time: outages, poison, keys, pauses and floods."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.support.virtual_account import IDS, Account, account, fine, status

from journeys.fetcher.account.gate import Reason
from journeys.fetcher.memory import MemoryBudget
from journeys.fetcher.pages import Answer

HOUR = 3600.0


def test_an_outage_of_an_hour_costs_time_and_no_order() -> None:
    """All in flight wait, a few hundred probes are sent, and every order is fetched when it is over."""
    seen, _ = account(
        lambda order_id, now: status(503) if now < HOUR else fine(order_id), lambda each: each.fetch(*IDS)
    )
    assert set(seen.ended.values()) == {"ok"}
    assert len(seen.ended) == len(IDS)
    assert seen.states == ["down", "open"]
    probes = [at for at in seen.api.times if 10.0 < at < HOUR]
    assert 300 < len(probes) < 800
    assert all(count <= 6 for count in seen.api.asked.values()), "they take turns at probing"


def test_bad_orders_leave_and_delay_no_other() -> None:
    """A fifth of the orders always fails: they use up their tries, and the others are fetched meanwhile."""
    seen, _ = account(
        lambda order_id, _: status(500) if order_id.endswith(("3", "7")) else fine(order_id),
        lambda each: each.fetch(*IDS),
    )
    assert Counter(seen.ended.values()) == {"ok": 240, "status-500": 60}


def ill_formed() -> Answer:
    """A success without a journey."""
    return Answer(status=200, body=b'{"code": 1, "message": "ok", "data": {"events": "?"}}')


def latest_answer(share: float) -> tuple[float, list[str]]:
    """When the last healthy order is answered, if a share of 1,000 orders is ill-formed for ever; the gate's states."""
    answered: dict[str, float] = {}

    def rule(order_id: str, now: float) -> Answer:
        if int(order_id.rpartition("-")[2]) * share % 1 >= 1 - share:
            return ill_formed()
        answered[order_id] = now
        return fine(order_id)

    seen, _ = account(rule, lambda each: each.fetch(*(f"order-{number}" for number in range(1000))))
    assert len(seen.ended) == 1000
    assert {order_id for order_id, end in seen.ended.items() if end == "ok"} == set(answered)
    return max(answered.values()), seen.states


@pytest.mark.parametrize("share", [0.2, 0.25, 0.6, 0.8])
def test_ill_formed_orders_do_not_delay_healthy_ones(share: float) -> None:
    """They use up their own tries and the gate stays open: healthy orders wait less than a second longer."""
    alone, _ = latest_answer(0.0)
    latest, states = latest_answer(share)
    assert latest < alone + 1.0
    assert states == []


def test_an_outage_that_answers_with_nonsense_shuts_the_gate() -> None:
    """200 orders in a row without a journey are an outage, although each got an answer."""
    seen, _ = account(
        lambda order_id, now: ill_formed() if now < HOUR else fine(order_id), lambda each: each.fetch(*IDS)
    )
    assert seen.states == ["down", "open"]
    assert Counter(seen.ended.values())["ok"] > 90


def test_a_wrong_key_holds_every_order_and_is_read_for_each_probe() -> None:
    """401 for ten minutes: nothing ends, single probes with a fresh key, then all goes on."""
    seen, _ = account(lambda order_id, now: status(401) if now < 600 else fine(order_id), lambda each: each.fetch(*IDS))
    assert Counter(seen.ended.values()) == {"ok": len(IDS)}
    assert seen.states == ["auth", "open"]
    assert len([at for at in seen.api.times if 10 < at < 600]) < 140
    assert seen.api.keys_refreshed >= 60


def test_a_single_unauthorized_order_leaves() -> None:
    """403 for one order while the others are answered is about that order."""
    seen, _ = account(
        lambda order_id, _: status(403) if order_id == "order-7" else fine(order_id), lambda each: each.fetch(*IDS)
    )
    assert Counter(seen.ended.values()) == {"ok": 299, "status-403": 1}
    assert seen.ended["order-7"] == "status-403"


def test_a_single_throttled_order_leaves() -> None:
    """429 for one order, again and again, does not stop the account for ever."""

    async def work(each: Account) -> None:
        forever = asyncio.create_task(each.fetch("throttled"))
        for order_id in IDS:
            await each.fetch(order_id)
            await asyncio.sleep(1)
        await forever

    seen, _ = account(lambda order_id, _: status(429) if order_id == "throttled" else fine(order_id), work)
    assert Counter(seen.ended.values()) == {"ok": 300, "status-429": 1}


def test_a_ceiling_is_kept() -> None:
    """With 20 requests/s allowed, no second has more, however many orders wait."""
    seen, _ = account(lambda order_id, _: fine(order_id), lambda each: each.fetch(*IDS), rate=20.0)
    per_second = Counter(int(at) for at in seen.api.times)
    assert max(per_second.values()) <= 21
    assert seen.api.times[-1] == pytest.approx(len(IDS) / 20.0, abs=0.5)


def test_requests_in_flight_are_bounded() -> None:
    """No more than there are slots."""
    seen, _ = account(lambda order_id, _: fine(order_id), lambda each: each.fetch(*IDS), slots=7)
    assert (seen.api.most_together, len(seen.ended)) == (7, 300)


def test_a_held_gate_lets_nothing_pass_until_it_is_resumed() -> None:
    """Also orders that are in the middle of their tries wait."""

    async def work(each: Account) -> tuple[int, list[Reason]]:
        each.keeper.hold()
        waiting = asyncio.create_task(each.fetch(*IDS))
        await asyncio.sleep(HOUR)
        asked = each.api.asked.total()
        opened = each.keeper.resume()
        await waiting
        return asked, opened

    seen, result = account(lambda order_id, _: fine(order_id), work)
    assert result == (0, ["operator"])
    assert (len(seen.ended), seen.states) == (300, ["operator", "open"])


def test_only_orders_being_fetched_show_progress() -> None:
    """The number changes with each page; an order that waits for anything else is not active."""

    async def work(each: Account) -> list[list[int]]:
        looks = [list(each.fetcher.progress().values())]
        fetching = asyncio.create_task(each.fetch("one"))
        await asyncio.sleep(0.01)
        looks.append(list(each.fetcher.progress().values()))
        await fetching
        looks.append(list(each.fetcher.progress().values()))
        return looks

    _, looks = account(lambda order_id, _: fine(order_id), work)
    assert looks == [[], [0], []]


def test_orders_that_wait_for_memory_show_no_progress() -> None:
    """The budget holds one journey at a time: the others send no request and are not active."""

    async def work(each: Account) -> list[int]:
        each.fetcher.memory = MemoryBudget(1)
        fetching = asyncio.create_task(each.fetch(*IDS[:3]))
        seen: list[int] = []
        while not fetching.done():
            await asyncio.sleep(0.001)
            seen.append(len(each.fetcher.progress()))
        return seen

    after, looks = account(lambda order_id, _: fine(order_id), work)
    assert after.api.most_together == 1
    assert max(looks) == 1
    assert set(after.ended.values()) == {"ok"}
    assert after.fetcher.bytes_in_hand == 0
