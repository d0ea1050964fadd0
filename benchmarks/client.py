"""Measures how fast the fetcher reads journeys, compared with its own HTTP client, in alternating rounds.

    python -m benchmarks.client [--latency 0.02] [--concurrency 128] [--orders 3000] [--rounds 5] [--json]

The stand-in runs in a process of its own. Orders have 1 to 19 events, so each is one page. `aiohttp` is the library
below the client, with prepared requests. `client` posts and drops the body. `fetcher` reads, checks and pages it. CPU
is of this process, per request. Each ratio compares neighbouring rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from statistics import median

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.http.client import ApiClient, Endpoint
from journeys.model import Order, OrderMessage, Position
from journeys.worker.service import collect_rarely


class Silent:
    """An observer that does nothing."""

    def extra_page(self) -> None:
        """Record a request for an extra page."""

    def request(self, outcome: str, seconds: float, detail: str, page: int) -> None:
        """A request ended."""

    def unauthorized(self, reason: str) -> None:
        """The key is refused."""

    def authorized(self) -> None:
        """The key is accepted."""

    def paused(self, seconds: float) -> None:
        """Everything waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One pass over all orders."""

    rate: float
    """Requests per second."""
    cpu: float
    """Milliseconds of this process per request."""


@contextmanager
def stand_in(latency: float) -> Iterator[str]:
    """Run the stand-in in a process; gives its address. `latency` is in seconds."""
    command = [sys.executable, "-m", "journeys_sandbox.api", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def orders(count: int) -> list[Order]:
    """Orders of 1 to 19 events."""
    return [_order(f"n{1 + number % 19}-bench-{number}", number) for number in range(count)]


def mixed_orders(count: int) -> list[Order]:
    """Nineteen orders in twenty have 1 to 19 events, in one page. The twentieth has 250, in three pages."""
    return [
        _order(f"n{250 if number % 20 == 10 else 1 + (number - number // 20) % 19}-mixed-{number}", number)
        for number in range(count)
    ]


def _order(order_id: str, number: int) -> Order:
    return Order(
        order_id=order_id,
        account="default",
        edition=f"orders.completed/0/{number}",
        timestamp_ms=None,
        attempt=0,
        absences=0,
        message=OrderMessage(
            position=Position(topic="orders.completed", partition=0, offset=number),
            key=None,
            value=order_id.encode(),
            headers=(),
            timestamp_ms=None,
        ),
    )


async def measure(work: list[Order], ask: Callable[[Order], Awaitable[object]], at_once: int) -> Round:
    """Call `ask` for each order, `at_once` side by side."""
    waiting = iter(work)

    async def one() -> None:
        for order in waiting:
            await ask(order)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(at_once)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Round(rate=len(work) / seconds, cpu=1000 * cpu / len(work))


@asynccontextmanager
async def bare(endpoint: Endpoint) -> AsyncIterator[Callable[[Order], Awaitable[object]]]:
    """A function that asks with aiohttp alone."""
    url, encode = URL(endpoint.url), msgspec.json.Encoder().encode
    headers = CIMultiDict({"Accept": "application/json", "Content-Type": "application/json"})
    timeout = aiohttp.ClientTimeout(sock_connect=5, sock_read=30, connect=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=endpoint.max_concurrency)) as session:

        async def ask(order: Order) -> bytes:
            data = encode({"order_id": order.order_id, "page": 1, "page_size": endpoint.page_size})
            async with session.post(url, data=data, headers=headers, timeout=timeout) as response:
                return await response.read()

        yield ask


async def compare(url: str, options: argparse.Namespace) -> dict[str, list[Round]]:
    """Rounds of each way, alternated. The first of each warms up and does not count."""
    endpoint = Endpoint(base_url=url, version="v2-4-2", max_concurrency=options.concurrency)
    async with ApiClient(endpoint, key=lambda: None) as client, bare(endpoint) as ask_alone:
        fetcher = Fetcher(
            client,
            Policy(),
            keeper=Gatekeeper(
                Gate(), RateLimiter(), slots=options.concurrency, chance=random.random, changed=lambda _: None
            ),
            observer=Silent(),
            chance=random.random,
        )
        ways: dict[str, Callable[[Order], Awaitable[object]]] = {
            "aiohttp": ask_alone,
            "client": lambda order: client.ask(order.order_id, 1),
            "fetcher": fetcher.fetch,
        }
        work = orders(options.orders)
        rounds: dict[str, list[Round]] = {name: [] for name in ways}
        for turn in range(options.rounds + 1):
            for name, ask in ways.items():
                result = await measure(work, ask, options.concurrency)
                if turn:
                    rounds[name].append(result)
        return rounds


def main() -> None:
    """Print the medians, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.02, help="latency of the stand-in, in seconds")
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--orders", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="write JSON instead of the lines")
    options = parser.parse_args()
    collect_rarely()
    with stand_in(options.latency) as url:
        rounds = asyncio.run(compare(url, options))
    rows = [
        {
            "way": name,
            "rate": median(result.rate for result in results),
            "cpu": median(result.cpu for result in results),
            "ratio": median(mine.cpu / bare.cpu for mine, bare in zip(results, rounds["aiohttp"], strict=True)),
        }
        for name, results in rounds.items()
    ]
    if options.json:
        print(json.dumps({"rows": rows}))
        return
    for row in rows:
        print(
            f"{row['way']:8} {row['rate']:8.0f} requests/s  {row['cpu']:6.3f} ms CPU per request, "
            f"{row['ratio']:.2f} times aiohttp's"
        )


if __name__ == "__main__":
    main()
