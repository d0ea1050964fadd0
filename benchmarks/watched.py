"""Measures what watching costs a worker: the CPU time of one `/state.json` and of one `/metrics`.

    python -m benchmarks.watched [--orders 5000] [--rounds 5] [--times 50] [--json]

A worker runs in this process, on real Kafka, with six partitions. It publishes all orders, of which some become retries
and dead letters. Then the API is silent for 1,500 more: 1,000 of them stay in hand. The history gets samples for 15
minutes. So both answers are as long as those of a busy worker, and the worker itself is quiet.

A process of its own asks over one connection, every 20 ms. A round measures each path once. CPU is user and system time
of the worker's process for one answer, less what the process takes in the same time without a question.

`share` is the part of a core that two open pages and a scrape every 5 s take. A busy worker uses about one core, so its
throughput falls by that share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPConnection
from multiprocessing.pool import Pool
from statistics import median
from typing import Any, Final

from benchmarks.client import orders, stand_in
from benchmarks.worker import PARTITIONS, progress, settings_of
from tests.broker.kafka_tools import produce_orders
from tests.broker.workers import crew, until

from journeys import logs
from journeys.ops import console
from journeys.ops.history import SLOT_S, SLOTS
from journeys.settings import load
from journeys.worker.console import sample
from journeys.worker.service import Service, collect_rarely
from journeys_sandbox.stack.processes import free_ports
from journeys_sandbox.stack.stack import Stack

TARGET: Final = 0.01
"""The largest share of a core that the project promises."""
PAGES: Final = 2
"""Open pages."""
SCRAPE_S: Final = 5.0
"""The time between two scrapes."""
_ODD: Final = ("x-400-n1", "x-503-n1", "x-odd-n12", "x-nullevent-n4")
"""Orders that become dead letters, wait in a retry tier, have misfits, and have a rejected event."""
_SILENT: Final = 1500
_PAUSE_S: Final = 0.02


def page_interval_s() -> float:
    """The time between two questions of an open page."""
    [milliseconds] = re.findall(r"PAUSE_MS = (\d+)", console.text("console.js"))
    return int(milliseconds) / 1000


def share(cost_ms: Mapping[str, float]) -> float:
    """The part of a core that the pages and the scrapes take, from the CPU milliseconds of each answer."""
    pages = PAGES * cost_ms["/state.json"] / page_interval_s()
    return (pages + cost_ms["/metrics"] / SCRAPE_S) / 1000


def ask(port: int, path: str, times: int) -> int:
    """Ask a worker on this machine `times` times. Returns the size of the last answer, in bytes."""
    connection, body = HTTPConnection("127.0.0.1", port), b""
    for _ in range(times):
        connection.request("GET", path)
        body = connection.getresponse().read()
        time.sleep(_PAUSE_S)
    connection.close()
    return len(body)


class Watcher(threading.Thread):
    """Waits until the worker of this process is as wanted, measures, and stops it. `rows` has each round."""

    def __init__(self, service: Service, pool: Pool, names: Mapping[str, str], options: argparse.Namespace) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._pool = pool
        self._names = names
        self._options = options
        self._port = int(names["JOURNEYS_OPS__PORT"])
        self.rows: list[dict[str, float]] = []
        """CPU milliseconds of an answer, by path."""
        self.sizes: dict[str, int] = {}
        """Bytes of an answer, by path."""

    def run(self) -> None:
        """Measure, then send SIGTERM to this process."""
        try:
            self._fill()
            paths = ("/state.json", "/metrics")
            self.sizes = {path: self._pool.apply(ask, (self._port, path, 5)) for path in paths}
            self.rows = [{path: self._cost_ms(path) for path in paths} for _ in range(self._options.rounds)]
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def _fill(self) -> None:
        bootstrap, topic = self._names["JOURNEYS_KAFKA__BOOTSTRAP_SERVERS"], self._names["JOURNEYS_ORDERS__TOPICS"]
        with progress(bootstrap, self._names["JOURNEYS_KAFKA__GROUP_ID"], topic) as published:
            until(lambda: published() >= self._options.orders, "all orders")
        silent = (f"x-silent-n3-{number}" for number in range(_SILENT))
        produce_orders(bootstrap, topic, silent, partitions=PARTITIONS)
        until(lambda: self._state()["orders"]["in_hand"] >= 1000, "1,000 orders in hand")
        history = self._service._console.history_hook.history  # noqa: SLF001 - a worker fills it in 15 minutes
        last = sample(self._service._metrics, at=time.time(), due=0)  # noqa: SLF001
        for slot in range(SLOTS + 1):
            part = slot / SLOTS
            history.add(
                replace(
                    last,
                    at=last.at - SLOT_S * (SLOTS - slot),
                    published=last.published * part,
                    latency={bound: count * part for bound, count in last.latency.items()},
                )
            )

    def _state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/state.json") as answer:
            return dict(json.load(answer))

    def _cost_ms(self, path: str) -> float:
        cpu, at = time.process_time(), time.perf_counter()
        time.sleep(1)
        quiet = (time.process_time() - cpu) / (time.perf_counter() - at)
        cpu, at = time.process_time(), time.perf_counter()
        self._pool.apply(ask, (self._port, path, self._options.times))
        spent = time.process_time() - cpu - quiet * (time.perf_counter() - at)
        return 1000 * spent / int(self._options.times)


def measure(options: argparse.Namespace) -> Watcher:
    """Run a worker in this process, and measure it."""
    with ExitStack() as running:
        stack = running.enter_context(Stack())
        names = {
            **settings_of(stack, running.enter_context(stand_in(0.02)), "watched.", 128),
            "JOURNEYS_API__READ_TIMEOUT": "1h",
            "JOURNEYS_API__TOTAL_TIMEOUT": "1h",
            "JOURNEYS_ORDERS__SLOW": "1h",
            "JOURNEYS_OPS__PORT": str(free_ports(1)[0]),
        }
        hired = running.enter_context(crew(names))
        hired.setup("topics", "create", "--partitions", str(PARTITIONS))
        hired.setup("schemas", "register")
        work = [order.order_id for order in orders(options.orders)]
        work[::50] = [f"{_ODD[number % len(_ODD)]}-{number}" for number in range(len(work[::50]))]
        bootstrap, topic = stack.broker.bootstrap_servers, names["JOURNEYS_ORDERS__TOPICS"]
        produce_orders(bootstrap, topic, work, partitions=PARTITIONS)
        pool = running.enter_context(multiprocessing.get_context("spawn").Pool(1))
        collect_rarely()
        service = Service(load(None, names), logs.configure(log_format="json", level="error"))
        watcher = Watcher(service, pool, names, options)
        watcher.start()
        asyncio.run(service.main())
        watcher.join()
        return watcher


def main() -> None:
    """Print the cost of each answer and the share, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=5000, help="orders that are published before")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=50, help="questions for each path in a round")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the table")
    options = parser.parse_args()
    watcher = measure(options)
    shares = [share(row) for row in watcher.rows]
    rows = [
        {
            "path": path,
            "bytes": watcher.sizes[path],
            "median": median(row[path] for row in watcher.rows),
            "min": min(row[path] for row in watcher.rows),
            "max": max(row[path] for row in watcher.rows),
        }
        for path in watcher.sizes
    ]
    found: dict[str, Any] = {"rows": rows, "share": median(shares), "share_max": max(shares), "target": TARGET}
    if options.json:
        print(json.dumps(found))
        return
    for row in rows:
        print(
            f"{row['path']:14}{row['bytes']:8} bytes{row['median']:8.2f} ms, from {row['min']:.2f} to {row['max']:.2f}"
        )
    verdict = "reached" if found["share"] <= TARGET else "missed"
    print(f"share of a core: {found['share']:.2%}, at most {found['share_max']:.2%};", end=" ")
    print(f"the target, {TARGET:.0%}, is {verdict}")


if __name__ == "__main__":
    main()
