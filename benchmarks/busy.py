"""Shows the CPU time of a busy worker, by part.

    python -m benchmarks.busy [--orders 6000] [--mix] [--concurrency 128] [--latency 0.02] [--lines 15] [--json]

A worker runs in this process, over the orders of `benchmarks.worker`. A signal interrupts it after every 5 ms of CPU.
The handler charges the CPU time of each Python thread since the last signal to the frame where that thread is now. A
waiting thread uses no CPU, so it costs nothing. The innermost frame that the table below knows decides the part. CPU
that no Python thread used is librdkafka's: its threads compress and send without the GIL.

A sampling thread would be wrong here: it gets the GIL only when the event loop releases it, at a socket. Over the same
orders such a thread reported twice the event loop's share, and half of the HTTP client's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Final

from benchmarks.client import mixed_orders, orders, stand_in
from benchmarks.worker import PARTITIONS, progress, settings_of
from tests.broker.kafka_tools import produce_orders
from tests.broker.workers import crew

from journeys import logs
from journeys.settings import load
from journeys.worker.service import run
from journeys_sandbox.stack.stack import Stack

PARTS: Final[Mapping[str, str]] = {
    "/journeys/fetcher/http/": "HTTP client",
    "/httpx": "HTTP client",
    "/aiohttp/": "HTTP client",
    "/multidict/": "HTTP client",
    "/yarl/": "HTTP client",
    "/journeys/fetcher/decoding.py": "JSON and checks of a page",
    "/journeys/fetcher/pages.py": "JSON and checks of a page",
    "/journeys/fetcher/": "paging, tries, gatekeeper",
    "/journeys/producer/publisher.py": "transactions: produce, commit",
    "/journeys/producer/": "events to records",
    "/journeys/avro/": "events to records",
    "/journeys/consumer/": "order messages, offsets",
    "/journeys/worker/kafka_thread/": "Kafka thread: intake, bursts",
    "/journeys/worker/": "order pool, hooks",
    "/journeys/ops/": "metrics",
    "/prometheus_client/": "metrics",
    "/journeys/": "our other code",
    "/asyncio/": "event loop",
}
"""Part of a file name → the part of the worker. The first match counts."""
_REST: Final = "other libraries"
_LOOK: Final = 0.005


class Looks:
    """Samples the Python threads. Create it on the main thread, which runs the event loop."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        """CPU seconds by part."""
        self.lines: Counter[str] = Counter()
        """CPU seconds by function."""
        self._clocks: dict[int, float] = {}
        signal.signal(signal.SIGPROF, self._look)

    def start(self) -> None:
        """Start sampling."""
        signal.setitimer(signal.ITIMER_PROF, _LOOK, _LOOK)

    def stop(self) -> None:
        """Stop sampling."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _: int, here: FrameType | None) -> None:
        frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see them
        for number, frame in frames.items():
            self._note(number, here or frame if number == threading.get_ident() else frame)
        # This function's own frame is among them. If it stayed, each sample would leave a cycle with all objects of the
        # interrupted frames. Collecting those took up to a tenth of the measured time.
        del frames, frame

    def _note(self, number: int, frame: FrameType) -> None:
        now = time.clock_gettime(time.pthread_getcpuclockid(number))
        used = now - self._clocks.get(number, now)
        self._clocks[number] = now
        self.parts[_part(frame)] += used  # type: ignore[assignment]  # a Counter of seconds
        self.lines[_line(frame)] += used  # type: ignore[assignment]


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        for fragment, part in PARTS.items():
            if fragment in frame.f_code.co_filename:
                return part
        frame = frame.f_back
    return _REST


def _line(frame: FrameType) -> str:
    place = frame.f_code.co_filename.rpartition("site-packages/")[2].rpartition("services/")[2]
    return f"{place} {frame.f_code.co_name}"


class Done(threading.Thread):
    """Stops the worker in this process when all orders are published. Notes its CPU and wall time in seconds."""

    def __init__(self, bootstrap: str, group: str, topic: str, count: int) -> None:
        super().__init__(daemon=True)
        self._place = bootstrap, group, topic
        self._count = count
        self.looks = Looks()
        self.cpu = self.seconds = 0.0

    def run(self) -> None:
        """Sample from the first tenth of the orders to the last order."""
        with progress(*self._place) as published:
            while published() < self._count // 10:
                time.sleep(0.05)
            began = published()
            cpu, at = time.process_time(), time.perf_counter()
            self.looks.start()
            while published() < self._count:
                time.sleep(0.05)
            self.looks.stop()
            share = self._count / (self._count - began)
            self.cpu, self.seconds = (time.process_time() - cpu) * share, (time.perf_counter() - at) * share
            for counts in (self.looks.parts, self.looks.lines):
                for name in counts:
                    counts[name] *= share  # type: ignore[assignment]
        os.kill(os.getpid(), signal.SIGTERM)


def profile(options: argparse.Namespace) -> Done:
    """Publish all orders while sampling."""
    with ExitStack() as running:
        stack = running.enter_context(Stack())
        url = running.enter_context(stand_in(options.latency))
        names = settings_of(stack, url, "profile.", options.concurrency)
        names["JOURNEYS_OPS__PORT"] = "0"
        hired = running.enter_context(crew(names))
        hired.setup("topics", "create", "--partitions", str(PARTITIONS))
        hired.setup("schemas", "register")
        topic, bootstrap = names["JOURNEYS_ORDERS__TOPICS"], stack.broker.bootstrap_servers
        work = (mixed_orders if options.mix else orders)(options.orders)
        produce_orders(bootstrap, topic, (order.order_id for order in work), partitions=PARTITIONS)
        log_output = logs.configure(log_format="json", level="warning")
        done = Done(bootstrap, names["JOURNEYS_KAFKA__GROUP_ID"], topic, options.orders)
        done.start()
        settings = load(None, names)
        if run(settings, log_output):
            raise AssertionError("the worker failed")
        return done


def rows(done: Done, count: int) -> Iterator[tuple[str, float, float]]:
    """Each part, its CPU microseconds per order, and its share."""
    parts = Counter(done.looks.parts)
    parts["librdkafka's own threads"] = max(0.0, done.cpu - parts.total())  # type: ignore[assignment]
    for part, seconds in parts.most_common():
        yield part, 1e6 * seconds / count, seconds / done.cpu


def main() -> None:
    """Print all parts, and the most expensive functions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.02, help="latency of the stand-in, in seconds")
    parser.add_argument("--concurrency", type=int, default=128, help="requests in flight")
    parser.add_argument("--orders", type=int, default=6000)
    parser.add_argument("--mix", action="store_true", help="one order in twenty has 250 events")
    parser.add_argument("--lines", type=int, default=15, help="number of functions to print")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the tables")
    options = parser.parse_args()
    done = profile(options)
    count = options.orders
    if options.json:
        parts = [{"part": part, "us_per_order": each, "share": share} for part, each, share in rows(done, count)]
        print(json.dumps({"orders": count, "seconds": done.seconds, "cpu": done.cpu, "parts": parts}))
        return
    print(f"{count / done.seconds:.0f} orders/s, {1000 * done.cpu / count:.3f} ms CPU per order")
    for part, each, share in rows(done, count):
        print(f"{part:36}{each:8.0f} µs{share:8.1%}")
    for line, seconds in done.looks.lines.most_common(options.lines):
        print(f"  {1e6 * seconds / count:8.0f} µs  {line}")


if __name__ == "__main__":
    main()
