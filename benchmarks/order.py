"""Measures the CPU time of a one-page order outside the HTTP client, part by part, in microseconds.

    python -m benchmarks.order [--orders 500] [--rounds 15] [--json]

Orders have 1 to 19 events. The stand-in makes their answers beforehand, and a client in memory returns them at once. So
this measures all work of the event loop for an order except HTTP:

- `decode`: turns an answer into a page.
- `fetch`: turns an order into a journey: `decode`, the paging rule, the tries and the gatekeeper.
- `encode`: turns the journey into records.
- `pool`: all of it, from the order message to the finished order, with the worker's metrics.
- `switch`: a task that yields once, as each request does. The pool's tasks never wait here, because no request is sent.

Each round measures each way once. Times are of the measuring thread. The garbage collector is set as in a worker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median

from benchmarks.client import orders
from tests.support.worker_fakes import PlainReader

from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.pages import Answer, read_page
from journeys.model import Journey, Order
from journeys.ops.health import Health
from journeys.ops.metrics import Metrics
from journeys.producer import schemas
from journeys.producer.channels import Channel
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.routing import Routes
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.handover import AdmittedOrder, FinishedOrder, ResultQueue
from journeys.worker.happenings import Hooks
from journeys.worker.hooks.log_lines import LogHook
from journeys.worker.hooks.metrics import MetricsHook
from journeys.worker.hooks.readiness import ReadinessHook
from journeys.worker.service import collect_rarely
from journeys.worker.tracing import Tracing
from journeys_sandbox.api.contract import Api, ApiSettings

TARGET = 200.0
"""The most microseconds that the project promises for `pool`."""


class Memory:
    """A client that has every answer in memory."""

    def __init__(self, work: Sequence[Order]) -> None:
        api = Api(ApiSettings())
        self.answers = {order.order_id: self._answer(api, order.order_id) for order in work}

    @staticmethod
    def _answer(api: Api, order_id: str) -> Answer:
        body = json.dumps({"order_id": order_id, "page": 1, "page_size": 100}).encode()
        reply = api.reply("POST", "/v2-4-2/api/order/event", None, body, now=0.0)
        return Answer(status=reply.status, body=reply.body)

    async def ask(self, order_id: str, page: int) -> Answer:
        """The answer, at once."""
        assert page == 1  # noqa: S101 - every order has one page
        return self.answers[order_id]

    def refresh_key(self) -> None:
        """Do nothing: there is no key."""


class Bench:
    """The parts of the event loop's side, with one method for each way. Create it on the event loop."""

    def __init__(self, count: int, tracing: Tracing | None = None) -> None:
        self.work = orders(count)
        self.client = Memory(self.work)
        channels = {f"journey.{channel}": channel.value for channel in Channel}
        self.hooks = hooks = Hooks(
            MetricsHook(Metrics(), channels=channels, rejected_topic="journey.rejected", codes={}),
            LogHook(rejected_topic="journey.rejected"),
            ReadinessHook(Health()),
            *([] if tracing is None else [tracing]),
        )
        keeper = Gatekeeper(Gate(), RateLimiter(), slots=128, chance=random.random, changed=lambda _: None)
        ids = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
        self.failures: list[BaseException] = []
        self.encoder = JourneyEncoder(ids, misfit=hooks.misfit)
        self.fetcher = Fetcher(self.client, Policy(), keeper=keeper, observer=hooks, chance=random.random)
        self.results = ResultQueue()
        self.pool = OrderPool(
            reader=PlainReader(),
            fetcher=self.fetcher,
            encoder=self.encoder,
            results=self.results,
            routes=Routes(group="journeys", retry_tiers=(), dead_letter="orders.dead-letter", empty_after=(60.0,)),
            slots=256,
            keeper=keeper,
            hooks=hooks,
            failed=self.failures.append,
            tracer=tracing,
        )
        self.admitted = [AdmittedOrder(epoch=1, message=order.message) for order in self.work]
        self.journeys: list[Journey] = []

    async def decode(self) -> None:
        """Turn answers into pages."""
        for order in self.work:
            answer = self.client.answers[order.order_id]
            read_page(answer, order_id=order.order_id, number=1, codes={}, now=0.0)

    async def fetch(self) -> None:
        """Turn orders into journeys."""
        self.journeys = [await self.fetcher.fetch(order) for order in self.work]

    async def encode(self) -> None:
        """Turn journeys into records, right after `fetch`, so that they are in the cache as in a worker."""
        for journey in self.journeys:
            self.encoder.encode(journey)

    async def all(self) -> list[FinishedOrder]:
        """Turn order messages into finished orders."""
        self.pool.submit(self.admitted)
        while self.results.qsize() < len(self.work):
            await asyncio.sleep(0)
            if self.failures:
                raise self.failures[0]
        return [self.results.get_nowait() for _ in self.work]

    async def switch(self) -> None:
        """Run one task per order that yields once."""
        await asyncio.gather(*(asyncio.sleep(0) for _ in self.work))


async def run(count: int, rounds: int) -> Mapping[str, list[float]]:
    """Microseconds per order, by way and round."""
    bench = Bench(count)
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "decode": bench.decode,
        "fetch": bench.fetch,
        "encode": bench.encode,
        "pool": bench.all,
        "switch": bench.switch,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.thread_time()
            await way()
            if turn:  # the first warms up
                took[name].append((time.thread_time() - start) / count * 1e6)
    return took


def main() -> None:
    """Print a line for each way, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="write JSON instead of the table")
    options = parser.parse_args()
    collect_rarely()
    took = asyncio.run(run(options.orders, options.rounds))
    rows = [
        {"way": name, "median": median(times), "min": min(times), "max": max(times)} for name, times in took.items()
    ]
    if options.json:
        print(json.dumps({"rows": rows, "target": TARGET}))
        return
    print(f"{'µs per order':14}{'median':>9}{'from':>9}{'to':>9}")
    for row in rows:
        print(f"{row['way']:14}{row['median']:9.1f}{row['min']:9.1f}{row['max']:9.1f}")
    found = median(took["pool"])
    print(f"pool: {found:.0f} µs; the target, {TARGET:g}, is {'reached' if found <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
