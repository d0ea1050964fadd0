"""Many orders at one gate, in virtual time: outages, poison, keys, pauses and floods."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from tests.support.virtual_time import VirtualLoop, run

from journeys.errors import OrderError
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.memory import MemoryBudget
from journeys.fetcher.pages import Answer
from journeys.model import Order, OrderMessage, Position

HOUR = 3600.0
T = TypeVar("T")


def fine(order_id: str) -> Answer:
    """A journey of one event."""
    data = {"order_id": order_id, "total": 1, "page": 1, "page_size": 100, "events": [{"event_id": "e"}]}
    return Answer(status=200, body=json.dumps({"code": 1, "message": "fine", "data": data}).encode())


def status(number: int) -> Answer:
    """Any other answer."""
    return Answer(status=number, body=b"")


@dataclass
class Api:
    """Answers after 20 ms, as `rule` says for an order at a time."""

    rule: Callable[[str, float], Answer]
    asked: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    together: int = 0
    most_together: int = 0
    keys_refreshed: int = 0

    async def ask(self, order_id: str, page: int) -> Answer:  # noqa: ARG002 - every order has one page
        """One answer."""
        now = asyncio.get_running_loop().time()
        self.asked[order_id] += 1
        self.times.append(now)
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            await asyncio.sleep(0.02)
        finally:
            self.together -= 1
        return self.rule(order_id, now)

    def refresh_key(self) -> None:
        """Count it."""
        self.keys_refreshed += 1


@dataclass
class Account:
    """One account's fetcher, its gatekeeper, and what became of its orders."""

    api: Api
    loop: VirtualLoop
    rate: float | None = None
    slots: int = 128
    states: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keeper = Gatekeeper(
            Gate(),
            RateLimiter(self.rate),
            slots=self.slots,
            chance=lambda: 0.5,
            changed=self.changed,
            clock=self.loop.clock,
        )
        self.fetcher = Fetcher(
            self.api, Policy(), keeper=self.keeper, observer=self, clock=self.loop.clock, chance=lambda: 0.5
        )

    def extra_page(self) -> None:
        """Record a request for an extra page."""

    def request(self, outcome: str, seconds: float) -> None:
        """Not remembered."""

    def changed(self, reasons: Mapping[Reason, str]) -> None:
        """The gate is shut for these reasons."""
        self.states.append(" ".join(reasons) or "open")

    async def fetch(self, *ids: str) -> None:
        """Fetch these orders side by side, and remember how each ended."""
        await asyncio.gather(*(self._fetch(order_id) for order_id in ids))

    async def _fetch(self, order_id: str) -> None:
        offset = int(order_id.rpartition("-")[2]) if order_id[-1].isdecimal() else 1
        position = Position(topic="orders.completed", partition=0, offset=offset)
        message = OrderMessage(position=position, key=None, value=order_id.encode(), headers=(), timestamp_ms=5)
        order = Order(
            order_id=order_id,
            account="default",
            edition=str(position),
            timestamp_ms=5,
            attempt=0,
            absences=0,
            message=message,
        )
        try:
            await self.fetcher.fetch(order)
        except OrderError as error:
            self.ended[order_id] = error.reason
        else:
            self.ended[order_id] = "ok"


def account(
    rule: Callable[[str, float], Answer],
    work: Callable[[Account], Awaitable[T]],
    *,
    rate: float | None = None,
    slots: int = 128,
) -> tuple[Account, T]:
    """Run `work` with an account whose API follows `rule`; return the account and the result."""

    async def main(loop: VirtualLoop) -> tuple[Account, T]:
        made = Account(Api(rule), loop, rate=rate, slots=slots)
        return made, await work(made)

    return run(main)


IDS = [f"order-{number}" for number in range(300)]


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
    """The keeper asks for one more order, which opens the gate; then the poison leaves it."""

    async def work(each: Account) -> bool:
        poison = asyncio.create_task(each.fetch(*(f"poison-{number}" for number in range(25))))
        await asyncio.sleep(220)
        assert each.keeper.is_shut
        wants_one_more = each.keeper.wants_one_more
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
        assert (each.keeper.is_shut, each.keeper.wants_one_more) == (True, True)
        await each.fetch("one")

    seen, _ = account(lambda order_id, now: status(503) if now < 35 else fine(order_id), work)
    assert (seen.ended, seen.states) == ({"one": "ok"}, ["down", "open"])


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
