"""An API account with many orders, in virtual time: its API, its fetcher and its gatekeeper."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tests.support.virtual_time import VirtualLoop, run

from journeys.errors import OrderError
from journeys.fetcher.account.gate import Gate, Reason
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.pages import Answer
from journeys.model import Order, OrderMessage, Position

T = TypeVar("T")

IDS = [f"order-{number}" for number in range(300)]


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

    def request(self, outcome: str, seconds: float, detail: str, page: int) -> None:
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
