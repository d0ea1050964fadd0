"""What a one-page order costs outside the HTTP client, part by part, in microseconds of CPU.

    python -m benchmarks.order [--orders 500] [--rounds 15] [--json]

Orders have 1 to 19 events; their answers are the stand-in's, made beforehand, and a client of memory gives them at
once. So everything is measured that the event loop does for an order but HTTP itself:

- `decode`: an answer becomes a page.
- `fetch`: the order becomes a journey: `decode`, and the paging rule, the tries, the gatekeeper around it.
- `encode`: the journey becomes records.
- `pool`: all of it, from the order message to the finished order, counted and measured as in a worker.

Each round measures each way once, one after the other. Times are of the measuring thread, and the garbage collector
is set as in a worker. `switch` is a task that only yields once, as every request makes it do: the pool's tasks here
never wait, since nothing is sent.
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

from journeys.consumer.order_message import OrderReader
from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.pages import Answer, read_page
from journeys.model import Journey, Order, OrderMessage
from journeys.ops.health import Health
from journeys.ops.metrics import Metrics
from journeys.producer import schemas
from journeys.producer.channels import Channel
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.routing import Routes
from journeys.worker.event_loop.order_pool import OrderPool
from journeys.worker.handover import AdmittedOrder, ResultQueue
from journeys.worker.observer import WorkerObserver
from journeys.worker.service import collect_rarely
from journeys_sandbox.api.contract import Api, ApiSettings

TARGET = 200.0
"""Microseconds of the pool's way that the project promises at most."""


class Memory:
    """A client that has every answer at hand."""

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
        """There is none."""


class Bench:
    """The parts of an event loop's side, and a way through each. To be made on the event loop."""

    def __init__(self, count: int) -> None:
        self.work = orders(count)
        self.client = Memory(self.work)
        observer = WorkerObserver(
            metrics=Metrics(),
            health=Health(),
            channels={f"journey.{channel}": channel.value for channel in Channel},
            rejected_topic="journey.rejected",
        )
        keeper = Gatekeeper(Gate(), RateLimiter(), slots=128, chance=random.random, changed=lambda _: None)
        ids = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
        reader = OrderReader(account="default", decode_avro=lambda _: None, is_retry=lambda _: False)

        async def read(message: OrderMessage) -> Order:
            return reader.read(message)

        self.failures: list[BaseException] = []
        self.encoder = JourneyEncoder(ids, misfit=observer.misfit)
        self.fetcher = Fetcher(self.client, Policy(), keeper=keeper, observer=observer, chance=random.random)
        self.results = ResultQueue()
        self.pool = OrderPool(
            read=read,
            fetch=lambda order, accept_empty: self.fetcher.fetch(order, accept_empty=accept_empty),
            encode=self.encoder.encode,
            routes=Routes(retry_tiers=(), dead_letter="orders.dead-letter", empty_after=(60.0,)),
            slots=256,
            keeper=keeper,
            observer=observer,
            failed=self.failures.append,
            results=self.results,
        )
        self.admitted = [AdmittedOrder(epoch=1, message=order.message) for order in self.work]
        self.journeys: list[Journey] = []

    async def decode(self) -> None:
        """Answers become pages."""
        for order in self.work:
            answer = self.client.answers[order.order_id]
            read_page(answer, order_id=order.order_id, number=1, codes={}, now=0.0)

    async def fetch(self) -> None:
        """Orders become journeys."""
        self.journeys = [await self.fetcher.fetch(order) for order in self.work]

    async def encode(self) -> None:
        """Journeys become records, right after they were fetched: they are as warm in cache as in a worker."""
        for journey in self.journeys:
            self.encoder.encode(journey)

    async def all(self) -> None:
        """Order messages become finished orders."""
        self.pool.submit(self.admitted)
        while self.results.qsize() < len(self.work):
            await asyncio.sleep(0)
            if self.failures:
                raise self.failures[0]
        for _ in self.work:
            self.results.get_nowait()

    async def switch(self) -> None:
        """Tasks that wait once."""
        await asyncio.gather(*(asyncio.sleep(0) for _ in self.work))


async def run(count: int, rounds: int) -> Mapping[str, list[float]]:
    """Microseconds per order of each way, for each round."""
    bench = Bench(count)
    ways: dict[str, Callable[[], Awaitable[None]]] = {
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
