"""Measures the CPU time that tracing adds to an order, in microseconds.

    python -m benchmarks.tracing [--orders 2000] [--rounds 20]

The orders are those of `benchmarks.order`: each has one page, and no HTTP request is sent for it. The last step is the
transaction, as far as hooks see it, for two orders at a time: as many of a large transaction are traced at a ratio of
0.01. OpenTelemetry's SDK sends the spans to a collector in a process of its own. Each round measures each ratio once:

- `off`: without tracing.
- `0`: tracing is on, and no order is traced: this is the cost of the decision.
- `0.01`: one order in a hundred is traced, as by default.
- `1`: all orders are traced. The difference from `0` is the cost of one traced order, which has three spans.

Times are those of the whole process, also of the thread that sends the spans. The cost at 0.01 is small against the
noise of a busy machine, so the last line computes it from the other rows.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from statistics import median
from typing import Final

from benchmarks.order import Bench
from opentelemetry.sdk.trace import SpanProcessor

from journeys.clock import Clock
from journeys.producer.publisher import Outcome, Result
from journeys.worker.happenings import TransactionEnded
from journeys.worker.service import collect_rarely
from journeys.worker.tracing import Tracing, exporter

RATIOS: Final[Mapping[str, float | None]] = {"off": None, "0": 0.0, "0.01": 0.01, "1": 1.0}
WHOLE_ORDER_US: Final = 550.0
"""The CPU time of a whole order in a worker, with its request and its transaction (`benchmarks.busy`)."""
_BURST: Final = 2
"""Orders in a transaction."""


class Way:
    """One ratio: the parts of a worker's event loop, and the processor that sends its spans."""

    def __init__(self, orders: int, ratio: float | None, collector: str) -> None:
        self._processor: SpanProcessor | None = None
        tracing = None
        if ratio is not None:
            self._processor = exporter(collector)
            tracing = Tracing(
                self._processor,
                ratio=ratio,
                group="journeys",
                api="https://data.api.attribuly.com",
                instance="bench",
                chance=random.Random(1).random,  # the same orders in each run
                clock=Clock(),
            )
        self._bench = Bench(orders, tracing)

    async def run(self) -> float:
        """Work on all orders. Returns microseconds of CPU per order."""
        start = time.process_time()
        finished = await self._bench.all()
        for first in range(0, len(finished), _BURST):
            burst = finished[first : first + _BURST]
            self._bench.hooks.notify(TransactionEnded(Result(outcome=Outcome.COMMITTED), burst, 0.05))
        if self._processor is not None:
            self._processor.force_flush()
        return (time.process_time() - start) / len(finished) * 1e6


def collect(port: Connection) -> None:
    """Take spans as a collector does, and keep none. Sends the number of its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port.send(server.server_port)
        server.serve_forever()


async def measure(orders: int, rounds: int, collector: str) -> dict[str, list[float]]:
    """Microseconds per order, by ratio and round. The first round warms up and is left out."""
    ways = {name: Way(orders, ratio, collector) for name, ratio in RATIOS.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            took[name].append(await way.run())
    return {name: times[1:] for name, times in took.items()}


def main() -> None:
    """Print a line for each ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(8 * options.orders)  # no span of a round is dropped
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=collect, args=(theirs,), daemon=True)
    process.start()
    collect_rarely()
    took = asyncio.run(measure(options.orders, options.rounds, f"http://127.0.0.1:{ours.recv()}"))
    print(f"{'µs per order':14}{'median':>9}{'more':>9}{'share of a whole order':>25}")
    more = {
        name: median(time - off for time, off in zip(times, took["off"], strict=True)) for name, times in took.items()
    }
    for name, times in took.items():
        print(f"{name:14}{median(times):9.1f}{more[name]:9.1f}{more[name] / WHOLE_ORDER_US:25.2%}")
    computed = 0.99 * more["0"] + 0.01 * more["1"]
    print(f"{'0.01, computed':23}{computed:9.1f}{computed / WHOLE_ORDER_US:25.2%}")


if __name__ == "__main__":
    main()
