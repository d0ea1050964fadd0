"""How fast journeys are fetched: the fetcher against its own HTTP client, side by side, in alternating rounds.

    .venv/bin/python benchmarks/client.py [--latency 0.02] [--concurrency 128] [--orders 3000] [--rounds 5]

The stand-in runs in a process of its own; orders have 1 to 19 events, so each is one page. `client` posts and drops
the body; `fetcher` reads, checks and pages it. CPU is this process's, per request.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from journeys.fetcher.client import ApiClient, Endpoint
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.gate import Gate
from journeys.fetcher.gatekeeper import Gatekeeper
from journeys.fetcher.rate import RateLimiter
from journeys.model import Order, OrderMessage, Position


class Silent:
    """Observes nothing."""

    def request(self, outcome: str, seconds: float) -> None:
        """A request ended."""

    def unauthorized(self, reason: str) -> None:
        """The key is refused."""

    def authorized(self) -> None:
        """The key is accepted."""

    def paused(self, seconds: float) -> None:
        """Everything waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One way of asking for all orders, once."""

    rate: float
    """Requests per second."""
    cpu: float
    """Milliseconds of this process per request."""


@contextmanager
def stand_in(latency: float) -> Iterator[str]:
    """The stand-in's address, while its process runs."""
    command = [sys.executable, "-m", "journeys_sandbox.api", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def orders(count: int) -> list[Order]:
    """Orders of 1 to 19 events."""
    return [
        Order(
            order_id=f"n{1 + number % 19}-bench-{number}",
            account="default",
            edition=f"orders.completed/0/{number}",
            timestamp_ms=None,
            attempt=0,
            absences=0,
            message=OrderMessage(
                position=Position(topic="orders.completed", partition=0, offset=number),
                key=None,
                value=f"n{1 + number % 19}-bench-{number}".encode(),
                headers=(),
                timestamp_ms=None,
            ),
        )
        for number in range(count)
    ]


async def measure(work: list[Order], ask: Callable[[Order], Awaitable[object]], at_once: int) -> Round:
    """Ask for each order, `at_once` side by side."""
    waiting = iter(work)

    async def one() -> None:
        for order in waiting:
            await ask(order)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(at_once)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Round(rate=len(work) / seconds, cpu=1000 * cpu / len(work))


async def compare(url: str, options: argparse.Namespace) -> dict[str, list[Round]]:
    """Rounds of each way, alternated, after one of each that does not count."""
    endpoint = Endpoint(base_url=url, version="v2-4-2", max_concurrency=options.concurrency)
    async with ApiClient(endpoint, key=lambda: None) as client:
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
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.02, help="of the stand-in, in seconds")
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--orders", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with stand_in(options.latency) as url:
        rounds = asyncio.run(compare(url, options))
    for name, results in rounds.items():
        rate, cpu = median(result.rate for result in results), median(result.cpu for result in results)
        print(f"{name:8} {rate:8.0f} requests/s  {cpu:6.3f} ms CPU per request")


if __name__ == "__main__":
    main()
