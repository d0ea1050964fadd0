"""Measures workers under loads that do not use up the machine: waiting, scaling out, rebalancing, slow orders.

    python -m benchmarks.load [full|scale|rebalance|slow|quiet …] [--seconds 20] [--json]

- `full`: one worker, 128 requests in flight, an API of 200 ms. Its rate is a share of 128 / 0.2 s, the theoretical
  limit.
- `scale`: 1, 2, 4 and 8 workers with 8 requests in flight each, an API of 200 ms. Orders/s as a share of the first
  worker's rate times the number of workers, and CPU per order.
- `rebalance`: two workers get orders at a steady rate; a third joins and leaves. The cost is the growth of the backlog
  in the ten seconds after that, compared with the ten seconds before, as seconds of the rate.
- `slow`: orders at a steady rate, without and with one in a hundred that takes 10 s. The rate, and the times of the
  other orders from the append of the order to the append of its summary.
- `quiet`: five orders a second, an API of 20 ms. The same times.

All times are the broker's (`LogAppendTime`). Two seconds of the same work come first and do not count, because orders
wait some tenths of a second longer on new topics. The rates of `full` and `scale` run from the first order's append to
the last summary. Those of `rebalance`, `slow` and `quiet` leave out the first and the last tenth of the orders, so they
do not wait for the last slow order. Summaries arrive a transaction at a time, so these rates are exact to some percent.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median, quantiles
from typing import Any

from benchmarks.client import stand_in
from benchmarks.worker import PARTITIONS, cpu_seconds, progress, settings_of
from confluent_kafka import Producer
from tests.broker.kafka_tools import Read, produce_orders, read_committed
from tests.broker.workers import COMMAND, Worker, crew, until

from journeys_sandbox.stack.stack import Stack

_SHARED = 24
"""Partitions of shared topics: 1, 2, 4 and 8 workers get equal shares. Each transaction costs more with so many."""
_LATENCY = 0.2
_WARM = 2.0
"""Seconds of work before the measurement."""
_WINDOW = 10.0
"""Seconds before and after a worker joins or leaves."""
_SHORT = "n5"
"""Orders of five events: one page."""
_FIRST = "first"
"""A word in the ids of the orders before the measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one load."""

    steady: float
    """Orders per second, without the first and the last tenth."""
    cpu: float
    """CPU milliseconds of all worker processes, per order."""
    waits: Sequence[float]
    """Seconds from order to summary, of the orders that are not slow."""
    placed: Sequence[float]
    """When each order was appended, in seconds since the epoch, in order."""
    published: Sequence[float]
    """When each summary was appended, in seconds since the epoch, in order."""

    @property
    def rate(self) -> float:
        """Orders per second, from the first order to the last summary."""
        return len(self.published) / (self.published[-1] - self.placed[0])

    def piled_up(self, start: float, end: float) -> int:
        """The largest backlog, in orders, between two moments."""
        return max(
            bisect_right(self.placed, at) - bisect_left(self.published, at)
            for at in self.published
            if start <= at < end
        )


class Place:
    """The topics, group and workers of one load."""

    _numbers = count()

    def __init__(self, stack: Stack, url: str, *, concurrency: int, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self.names = settings_of(stack, url, f"load-{next(self._numbers)}.", concurrency)
        self.bootstrap, self.topic = stack.broker.bootstrap_servers, self.names["JOURNEYS_ORDERS__TOPICS"]

    @contextmanager
    def workers(self, number: int) -> Iterator[list[Worker]]:
        """`number` workers, each with an equal share of the partitions."""
        with crew(self.names) as hired:
            hired.setup("topics", "create", "--partitions", str(self.partitions))
            hired.setup("schemas", "register")
            made = [hired.hire(*COMMAND) for _ in range(number)]
            self.hire = hired.hire
            until(lambda: all(_share(worker) == self.partitions // number for worker in made), "equal shares")
            yield made
            if any(worker.stop() for worker in made):
                raise AssertionError("a worker failed")

    def work_off(self, workers: Sequence[Worker], feed: Callable[[], int], *, rate: float) -> Outcome:
        """Feed orders and wait for the last summary. Warms up first, for `_WARM` seconds at this rate."""
        warm = self._finish(steadily(self, rate=rate, seconds=_WARM, kind=_FIRST), 0)
        before = [cpu_seconds(worker.process.pid) for worker in workers]
        fed = self._finish(feed, warm)
        cpu = sum(cpu_seconds(worker.process.pid) - then for worker, then in zip(workers, before, strict=True))
        return self._outcome(fed, cpu)

    def _finish(self, feed: Callable[[], int], already: int) -> int:
        fed = feed()
        with progress(self.bootstrap, self.names["JOURNEYS_KAFKA__GROUP_ID"], self.topic, self.partitions) as published:
            until(lambda: published() >= already + fed, f"{already + fed} orders", patience=300)
        return fed

    def _outcome(self, fed: int, cpu: float) -> Outcome:
        topic = f"{self.names['JOURNEYS_PUBLISH__TOPIC_PREFIX']}summary"
        summaries = [read for read in read_committed(self.bootstrap, [topic]) if not _is_first(read.key)]
        orders = {read.value: read.timestamp_ms for read in read_committed(self.bootstrap, [self.topic])}
        orders = {order: at for order, at in orders.items() if not _is_first(order)}
        if len(summaries) != fed or len(orders) != fed:
            raise AssertionError(f"{fed} orders, {len(orders)} in the topic, {len(summaries)} summaries")
        return Outcome(
            steady=_steady(summaries),
            cpu=1000 * cpu / fed,
            waits=[
                (summary.timestamp_ms - orders[summary.key]) / 1000
                for summary in summaries
                if not (summary.key or b"").startswith(b"x-slow")
            ],
            placed=sorted(at / 1000 for at in orders.values()),
            published=sorted(summary.timestamp_ms / 1000 for summary in summaries),
        )


def _share(worker: Worker) -> int:
    """The number of order partitions that a worker reads now."""
    mine: set[str] = set()
    for line in worker.lines():
        names = {name for name in line.get("partitions", ()) if ".orders/" in name}
        if line["event"] == "orders.assigned":
            mine |= names
        elif line["event"] in {"orders.revoked", "orders.lost"}:
            mine -= names
    return len(mine)


def _is_first(order: bytes | None) -> bool:
    return f"-{_FIRST}-".encode() in (order or b"")


def _steady(summaries: Sequence[Read]) -> float:
    times = sorted(summary.timestamp_ms for summary in summaries)
    first, last = len(times) // 10, len(times) * 9 // 10
    return 1000 * (last - first) / max(1, times[last] - times[first])


def at_once(place: Place, orders: int) -> Callable[[], int]:
    """Feeds all orders as fast as Kafka takes them."""
    names = (f"{_SHORT}-order-{number}" for number in range(orders))
    return lambda: produce_orders(place.bootstrap, place.topic, names, partitions=place.partitions)


def steadily(
    place: Place,
    *,
    rate: float,
    seconds: float,
    kind: str = "order",
    slow: int = 0,
    at: Mapping[float, Callable[[], object]] | None = None,
) -> Callable[[], int]:
    """Feeds orders at a steady rate. The API takes 10 s for one in `slow`. `at`: seconds → another action."""

    def feed() -> int:
        producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 0})
        began, fed, plan = time.monotonic(), 0, dict(at or {})
        while (now := time.monotonic() - began) < seconds:
            for moment in [moment for moment in plan if moment <= now]:
                plan.pop(moment)()
            for number in range(fed, int(now * rate)):
                word = "x-slow10000-" if slow and number % slow == 0 else ""
                producer.produce(place.topic, f"{word}{_SHORT}-{kind}-{number}", partition=number % place.partitions)
            fed = int(now * rate)
            producer.poll(0.01)
        producer.flush(10)
        return fed

    return feed


# -- the loads


Row = Mapping[str, float | str]


def full(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """One worker at the limit of the API's latency."""
    most = 128 / _LATENCY
    with stand_in(_LATENCY) as url:
        place = Place(stack, url, concurrency=128)
        with place.workers(1) as workers:
            done = place.work_off(workers, at_once(place, int(most * options.seconds)), rate=most)
    yield {"load": "128 in flight, 200 ms", "orders/s": done.rate, "CPU ms": done.cpu, "share": done.rate / most}


def scale(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """1, 2, 4 and 8 workers with the same load each."""
    first = 0.0
    with stand_in(_LATENCY) as url:
        for number in (1, 2, 4, 8):
            place = Place(stack, url, concurrency=8, partitions=_SHARED)
            with place.workers(number) as workers:
                most = number * 8 / _LATENCY
                done = place.work_off(workers, at_once(place, int(most * options.seconds)), rate=most)
            first = first or done.rate
            name = f"{number} x 8 in flight, 200 ms"
            yield {"load": name, "orders/s": done.rate, "CPU ms": done.cpu, "share": done.rate / (number * first)}


def rebalance(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """A third worker joins and leaves."""
    rate, pause = 100, max(20.0, options.seconds)
    with stand_in(_LATENCY) as url:
        place = Place(stack, url, concurrency=128, partitions=_SHARED)
        third: list[Worker] = []
        moments: dict[str, float] = {}

        def join() -> None:
            moments["a worker joins"] = time.time()
            third.append(place.hire(*COMMAND))

        def leave() -> None:
            moments["a worker leaves"] = time.time()
            third[0].process.send_signal(signal.SIGTERM)

        with place.workers(2) as workers:
            feed = steadily(place, rate=rate, seconds=3 * pause, at={pause: join, 2 * pause: leave})
            done = place.work_off(workers, feed, rate=rate)
    for what, at in moments.items():
        cost = done.piled_up(at, at + _WINDOW) - done.piled_up(at - _WINDOW, at)
        yield {"load": f"{rate} orders/s, {what}", "orders/s": done.steady, "cost s": max(0.0, cost / rate)}


def slow(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """One order in a hundred takes 10 s."""
    with stand_in(0.02) as url:
        for every in (0, 100):
            place = Place(stack, url, concurrency=128)
            with place.workers(1) as workers:
                feed = steadily(place, rate=300, seconds=10 + options.seconds, slow=every)
                done = place.work_off(workers, feed, rate=300)
            name = "300 orders/s" + (", 1 % of them 10 s" if every else "")
            yield {"load": name, "orders/s": done.steady, **_waits(done)}


def quiet(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """Five orders a second."""
    with stand_in(0.02) as url:
        place = Place(stack, url, concurrency=128)
        with place.workers(1) as workers:
            done = place.work_off(workers, steadily(place, rate=5, seconds=2 * options.seconds), rate=5)
    yield {"load": "5 orders/s, 20 ms", "orders/s": done.steady, **_waits(done)}


def _waits(done: Outcome) -> dict[str, float]:
    return {"p50 ms": 1000 * median(done.waits), "p99 ms": 1000 * quantiles(done.waits, n=100)[98]}


LOADS = {"full": full, "scale": scale, "rebalance": rebalance, "slow": slow, "quiet": quiet}


def run(options: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """The rows of each load, as soon as they are measured."""
    with ExitStack() as running:
        stack = running.enter_context(Stack(config={"log.message.timestamp.type": "LogAppendTime"}))
        for name in options.loads or LOADS:
            for row in LOADS[name](stack, options):
                yield name, row


def main() -> None:
    """Print a line for each load, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("loads", nargs="*", metavar="load", help=f"one or more of {', '.join(LOADS)}; all by default")
    parser.add_argument("--seconds", type=float, default=20.0, help="approximate seconds of work in each load")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the lines")
    options = parser.parse_args()
    if unknown := set(options.loads) - set(LOADS):
        parser.error(f"no such load: {', '.join(sorted(unknown))}")
    rows: list[dict[str, Any]] = []
    for name, row in run(options):
        rows.append({"kind": name, **row})
        if not options.json:
            told = (f"{key} {value:.2f}" for key, value in row.items() if isinstance(value, float))
            print(f"{row['load']:32}{', '.join(told)}", flush=True)
    if options.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
