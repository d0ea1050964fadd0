"""Compares the whole worker with its own HTTP client: orders a second, CPU per order, and the ratio of the rates.

    python -m benchmarks.worker [--quick] [--mix] [--pairs 3] [--orders 20000] [--concurrency 128] [--json]

The stand-in runs in a process of its own with 20 ms latency. Orders have 1 to 19 events, in one page. With `--mix`, one
order in twenty has 250, in three pages. A pair is a round of the client and then a round of the worker, over the same
orders:

- The client's round runs the worker's own `ApiClient` and `Fetcher`, with the same concurrency, in a fresh process. Its
  time runs from the first request to the last answer.
- The worker's round runs `journeys run` on real Kafka and a real registry, with its own topics and group. All orders
  are in six partitions before it starts. Its time runs from the assignment of all partitions to the append of the last
  summary, by the broker's clock. So the start and the join do not count; the first fetches and the last commit do.
  Afterwards the topic must hold one summary for each order.

CPU is user and system time of the measured process in that time, per order (plus some tens of milliseconds of polling).
The broker's CPU is given too, because the worker shares the machine with it. `others` is the number of cores that all
other processes kept busy during the worker's round; the stand-in takes about a tenth of a core per 1,000 orders/s.
Other work distorts the ratio, but hardly the CPU per order. `reuse` is the share of the worker's requests over an
existing connection.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.client import Round, Silent, measure, mixed_orders, orders, stand_in
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tests.broker.kafka_tools import produce_orders, read_committed
from tests.broker.workers import COMMAND, Worker, crew, until

from journeys.fetcher.account.gate import Gate
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.account.rate import RateLimiter
from journeys.fetcher.fetch import Fetcher, Policy
from journeys.fetcher.http.client import ApiClient, Endpoint
from journeys.model import Order
from journeys_sandbox.stack.stack import Stack

PARTITIONS = 6
TARGET = 0.5
"""The lowest ratio that the project promises."""
_MOVING = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One round of the worker."""

    rate: float
    """Orders per second."""
    cpu: float
    """CPU milliseconds of the worker's process, per order."""
    broker_cpu: float
    """CPU milliseconds of the broker's process, per order."""
    others: float
    """Cores that processes other than worker and broker kept busy."""
    memory: float
    """Peak resident memory, in MiB."""
    reuse: float
    """The share of requests over an existing connection, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A round of the client, then one of the worker."""

    client: Round
    worker: Whole

    @property
    def ratio(self) -> float:
        """The worker's rate as a share of the client's."""
        return self.worker.rate / self.client.rate


# -- the client


def page_alone(url: str, work: list[Order], concurrency: int) -> Round:
    """Fetch all journeys and drop them. Run it in a process of its own."""
    return asyncio.run(_page_alone(url, work, concurrency))


async def _page_alone(url: str, work: list[Order], concurrency: int) -> Round:
    endpoint = Endpoint(base_url=url, version="v2-4-2", max_concurrency=concurrency)
    async with ApiClient(endpoint, key=lambda: None) as client:
        fetcher = Fetcher(
            client,
            Policy(),
            keeper=Gatekeeper(Gate(), RateLimiter(), slots=concurrency, chance=random.random, changed=lambda _: None),
            observer=Silent(),
            chance=random.random,
        )
        return await measure(work, fetcher.fetch, concurrency)


def client_round(url: str, work: list[Order], concurrency: int) -> Round:
    """Run `page_alone` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(page_alone, (url, work, concurrency))


# -- the worker


def worker_round(stack: Stack, url: str, number: int, work: Sequence[Order], options: argparse.Namespace) -> Whole:
    """Let a worker publish all orders. Raises AssertionError unless each has one summary."""
    count = len(work)
    names = settings_of(stack, url, f"bench-{number}.", options.concurrency) | dict(options.set)
    bootstrap, topic = stack.broker.bootstrap_servers, names["JOURNEYS_ORDERS__TOPICS"]
    with crew(names) as hired:
        hired.setup("topics", "create", "--partitions", str(PARTITIONS))
        hired.setup("schemas", "register")
        produce_orders(bootstrap, topic, (order.order_id for order in work), partitions=PARTITIONS)
        before = _asked(url)
        worker = hired.hire(*COMMAND)
        began = _assigned(worker)
        spent = Spent(worker.process.pid, stack.broker.pid or 0)
        with progress(bootstrap, names["JOURNEYS_KAFKA__GROUP_ID"], topic) as published:
            until(lambda: _alive(worker) and published() >= count, f"{count} orders")
        cpu, broker_cpu, others = spent.so_far()
        memory = resident(worker.process.pid, "VmHWM")
        requests, connections = (now - then for now, then in zip(_asked(url), before, strict=True))
        if worker.stop():
            raise AssertionError(worker.raw())
    ended = _checked(bootstrap, f"{names['JOURNEYS_PUBLISH__TOPIC_PREFIX']}summary", count)
    return Whole(
        rate=count / (ended - began),
        cpu=1000 * cpu / count,
        broker_cpu=1000 * broker_cpu / count,
        others=others,
        memory=memory,
        reuse=1 - connections / requests,
    )


def settings_of(stack: Stack, url: str, namespace: str, concurrency: int) -> dict[str, str]:
    """A worker's environment: the defaults with other names, addresses and concurrency."""
    return {
        **stack.environment,
        "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}group",
        "JOURNEYS_ORDERS__TOPICS": f"{namespace}orders",
        "JOURNEYS_ORDERS__RETRY_PREFIX": f"{namespace}retry.",
        "JOURNEYS_ORDERS__DEAD_LETTER": f"{namespace}dead-letter",
        "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"{namespace}journey.",
        "JOURNEYS_API__BASE_URL": url,
        "JOURNEYS_API__KEY": "any",
        "JOURNEYS_API__MAX_CONCURRENCY": str(concurrency),
    }


def _asked(url: str) -> tuple[int, int]:
    """The requests to the stand-in so far, and their connections."""
    with urllib.request.urlopen(f"{url}/_stats") as answer:  # noqa: S310 - our own address
        stats = json.load(answer)
    return stats["requests"], stats["connections"]


def _assigned(worker: Worker) -> float:
    """Wait for the worker's assignment. Returns its time, in seconds since the epoch."""
    line = worker.until("orders.assigned")[0]
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _alive(worker: Worker) -> bool:
    if worker.process.poll() is not None:
        raise AssertionError("the worker ended early")
    return True


class _Progress:
    """Counts published orders by the group's committed offsets, without asking the worker."""

    def __init__(self, consumer: Consumer, topic: str, partitions: int) -> None:
        self._consumer = consumer
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._latest = 0

    def __call__(self) -> int:
        """The orders below the watermarks. Repeats the last count while the group's coordinator moves."""
        try:
            committed = self._consumer.committed(self._places, timeout=10)
        except KafkaException as failure:
            if failure.args[0].code() not in _MOVING:
                raise
        else:
            self._latest = sum(max(0, place.offset) for place in committed)
        return self._latest


@contextmanager
def progress(bootstrap: str, group: str, topic: str, partitions: int = PARTITIONS) -> Iterator[_Progress]:
    """A function that counts the orders that a group has committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            # Otherwise each request would wait until no worker has an open transaction.
            "isolation.level": "read_uncommitted",
        }
    )
    try:
        yield _Progress(consumer, topic, partitions)
    finally:
        consumer.close()


def _checked(bootstrap: str, topic: str, count: int) -> float:
    """The append time of the last summary, in seconds since the epoch. Raises AssertionError if one is missing."""
    summaries = read_committed(bootstrap, [topic])
    distinct = {summary.key for summary in summaries}
    if len(summaries) != count or len(distinct) != count:
        raise AssertionError(f"{count} orders, {len(summaries)} summaries of {len(distinct)} orders")
    return max(summary.timestamp_ms for summary in summaries) / 1000


class Spent:
    """Measures CPU from its creation on: of a worker, its broker, and all other processes."""

    def __init__(self, worker: int, broker: int) -> None:
        self._pids = (worker, broker)
        self._start = self._now()

    def so_far(self) -> tuple[float, float, float]:
        """CPU seconds of the worker and of the broker, and the cores that all others kept busy."""
        at, busy, *own = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return own[0], own[1], (busy - sum(own)) / at

    def _now(self) -> tuple[float, ...]:
        return time.monotonic(), _busy(), *map(cpu_seconds, self._pids)


def _busy() -> float:
    """Busy CPU seconds of all cores so far, without idle time and disk waits."""
    fields = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()[1:9]
    return sum(int(field) for number, field in enumerate(fields) if number not in (3, 4)) / _TICKS


def cpu_seconds(pid: int) -> float:
    """CPU seconds (user and system) of a process so far, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int, kind: Literal["VmRSS", "VmHWM"] = "VmRSS") -> float:
    """The resident memory of a process (`VmRSS`), or its peak (`VmHWM`), in MiB. Raises OSError if it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    # A zombie process has no such line.
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{kind}:")), 0.0)


# -- both


def run(options: argparse.Namespace) -> Iterator[Pair]:
    """Each pair, as soon as it is measured."""
    with ExitStack() as running:
        stack = running.enter_context(Stack(config={"log.message.timestamp.type": "LogAppendTime"}))
        url = running.enter_context(stand_in(options.latency))
        work = (mixed_orders if options.mix else orders)(options.orders)
        for number in range(options.pairs):
            yield Pair(
                client=client_round(url, work, options.concurrency),
                worker=worker_round(stack, url, number, work, options),
            )


def summary(pairs: Sequence[Pair]) -> Mapping[str, float]:
    """The medians over the pairs, and the range of the ratio."""
    ratios = [pair.ratio for pair in pairs]
    return {
        "client_rate": median(pair.client.rate for pair in pairs),
        "client_cpu_ms": median(pair.client.cpu for pair in pairs),
        "worker_rate": median(pair.worker.rate for pair in pairs),
        "worker_cpu_ms": median(pair.worker.cpu for pair in pairs),
        "broker_cpu_ms": median(pair.worker.broker_cpu for pair in pairs),
        "worker_memory_mib": max(pair.worker.memory for pair in pairs),
        "reuse_min": min(pair.worker.reuse for pair in pairs),
        "ratio": median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "target": TARGET,
    }


def _show(pair: Pair) -> None:
    print(
        f"{pair.client.rate:12.0f}{pair.client.cpu:12.3f}{pair.worker.rate:12.0f}{pair.worker.cpu:12.3f}"
        f"{pair.worker.broker_cpu:12.3f}{pair.worker.memory:8.0f}{pair.worker.others:8.2f}"
        f"{pair.worker.reuse:9.2%}{pair.ratio:8.2f}",
        flush=True,
    )


def _show_summary(found: Mapping[str, float]) -> None:
    verdict = "reached" if found["ratio"] >= TARGET else "missed"
    print(f"ratio: median {found['ratio']:.2f}, from {found['ratio_min']:.2f} to {found['ratio_max']:.2f};", end=" ")
    print(f"the target, {TARGET:g}, is {verdict}")


def setting(text: str) -> tuple[str, str]:
    """Parse `NAME=VALUE` of a command line."""
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text}")
    return name, value


def main() -> None:
    """Print a line for each pair and the medians, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.02, help="latency of the stand-in, in seconds")
    parser.add_argument("--concurrency", type=int, default=128, help="requests in flight, of client and worker")
    parser.add_argument("--orders", type=int, default=20_000, help="orders in each round")
    parser.add_argument("--mix", action="store_true", help="one order in twenty has 250 events")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=setting,
        metavar="NAME=VALUE",
        help="one more setting of the worker, such as JOURNEYS_PUBLISH__LINGER=200ms",
    )
    parser.add_argument("--quick", action="store_true", help="one pair of 2,000 orders")
    parser.add_argument("--json", action="store_true", help="write JSON at the end, instead of the table")
    options = parser.parse_args()
    if options.quick:
        options.orders, options.pairs = 2000, 1
    if not options.json:
        print(f"{options.orders} orders, {options.concurrency} in flight, {options.latency * 1000:g} ms latency")
        print(f"{'client/s':>12}{'CPU ms':>12}{'worker/s':>12}{'CPU ms':>12}", end="")
        print(f"{'broker ms':>12}{'MiB':>8}{'others':>8}{'reuse':>9}{'ratio':>8}", flush=True)
    pairs = []
    for pair in run(options):
        pairs.append(pair)
        if not options.json:
            _show(pair)
    found = summary(pairs)
    if options.json:
        print(json.dumps({"options": vars(options), "pairs": [asdict(pair) for pair in pairs], "summary": found}))
    else:
        _show_summary(found)


if __name__ == "__main__":
    main()
