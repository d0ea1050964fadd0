"""Measures a worker's memory, and whether its CPU cost grows only linearly with the size of journeys.

    python -m benchmarks.memory [--quick] [--only million|outage|large|busy|linear …] [--orders 1000000] [--json]

- `million`: a million orders of two events, an API that answers at once. Resident memory at the first orders and at the
  last.
- `outage`: 100,000 orders wait while the API answers 503 for a minute. Resident memory before, during and after it.
- `large`: journeys of 10,000 events, a hundred pages each, at default settings. Also checks that the bytes in hand,
  from the worker's metrics, never exceed JOURNEYS_ORDERS__MAX_BYTES_IN_HAND.
- `busy`: 128 requests in flight, 95 % orders of 1 to 19 events, 5 % of 250, an API of 20 ms. Peak resident memory.
- `linear`: CPU per event for journeys of 1, 10, 100, 1,000 and 10,000 events, with as many events of each size. Also
  CPU per order and per event, by least squares of the relative errors.

Each part has its own worker process, topics and group, on real Kafka. Memory is `VmRSS`, sampled each second, or
`VmHWM` for a peak. The drift compares the median at the end with the median after the warm-up.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice, pairwise
from statistics import median
from typing import Any, Final

import httpx
from benchmarks.client import mixed_orders, stand_in
from benchmarks.worker import PARTITIONS, cpu_seconds, resident, setting, settings_of
from tests.broker.kafka_tools import produce_orders
from tests.broker.ops import address_of, measured
from tests.broker.workers import COMMAND, Worker, crew, until

from journeys.settings import load
from journeys_sandbox.stack.stack import Stack

DRIFT: Final = 0.05
BUSY: Final = 150.0
"""The highest peak that the project promises, in MiB."""
RATIO: Final = 1.2
"""The highest promised ratio of an event's cost in a journey of 10,000 to that in a journey of 1,000."""
SIZES: Final = (1, 10, 100, 1_000, 10_000)
_CHUNK: Final = 50_000
"""Orders that are produced at once: fewer than the client's queue holds."""
_MIB: Final = 2**20

Value = float | str | bool
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One sample of a worker."""

    at: float
    """The time of the sample, by the monotonic clock, in seconds."""
    memory: float
    """Resident memory, in MiB."""
    done: int
    """Finished orders so far."""
    in_hand: float
    """Bytes in hand by the worker's metrics, in MiB."""


class Looks(threading.Thread):
    """Samples a worker every `every` seconds until stopped."""

    def __init__(self, worker: Worker, *, every: float, name: str) -> None:
        super().__init__(daemon=True)
        self._pid, self._address = worker.process.pid, address_of(worker)
        self._every, self._name = every, name
        self._ended = threading.Event()
        self._told = time.monotonic()
        self._last = (0, 0.0)
        self.all: list[Look] = []

    def run(self) -> None:
        """Sample until `stop`."""
        while not self._ended.wait(self._every):
            self.all.append(self.now())
            if self.all[-1].at - self._told >= 15:
                self._told = self.all[-1].at
                last = self.all[-1]
                tell(f"{self._name}: {last.done} orders, {last.memory:.0f} MiB, {last.in_hand:.1f} of them in hand")

    def stop(self) -> None:
        """Stop sampling and wait for the thread."""
        self._ended.set()
        self.join()

    def now(self) -> Look:
        """One sample. If the metrics do not answer, it repeats their last values."""
        with suppress(httpx.TimeoutException):
            found = measured(self._address)
            done = int(sum(found["journeys_orders_total"].values()))
            self._last = done, found["journeys_bytes_in_hand"][()] / _MIB
        done, in_hand = self._last
        return Look(at=time.monotonic(), memory=resident(self._pid), done=done, in_hand=in_hand)

    def between(self, start: float, end: float) -> list[Look]:
        """The samples between two times, or else the last one before `end`."""
        found = [look for look in self.all if start <= look.at <= end]
        return found or [look for look in self.all if look.at <= end][-1:]


class Scene:
    """The topics, group and worker of one part. `looks` samples the worker from its start."""

    _numbers = count()

    def __init__(self, stack: Stack, url: str, name: str, *, every: float, options: argparse.Namespace) -> None:
        self._names = settings_of(stack, url, f"memory-{next(self._numbers)}.", 128) | dict(options.set)
        self._name, self._every = name, every
        self._bootstrap, self._topic = stack.broker.bootstrap_servers, self._names["JOURNEYS_ORDERS__TOPICS"]
        self.fed = 0
        self.worker: Worker
        self.looks: Looks

    @contextmanager
    def at_work(self, *orders: Iterable[str]) -> Iterator[None]:
        """Run a worker that is assigned all partitions, with these orders already in the topic."""
        with crew(self._names) as hired:
            hired.setup("topics", "create", "--partitions", str(PARTITIONS))
            hired.setup("schemas", "register")
            for each in orders:
                self.feed(each)
            self.worker = hired.hire(*COMMAND)
            self.worker.until_assigned()
            self.looks = Looks(self.worker, every=self._every, name=self._name)
            self.looks.start()
            yield
            self.looks.stop()
            if self.worker.stop():
                raise AssertionError("the worker failed")

    def feed(self, orders: Iterable[str]) -> None:
        """Produce more orders."""
        left = iter(orders)
        while chunk := list(islice(left, _CHUNK)):
            self.fed += produce_orders(self._bootstrap, self._topic, chunk, partitions=PARTITIONS)

    def until_done(self, orders: int | None = None) -> None:
        """Wait until the worker has finished `orders` orders (None: all)."""
        most = self.fed if orders is None else orders

        def there() -> bool:
            if self.worker.process.poll() is not None:
                raise AssertionError("the worker ended early")
            return self.looks.now().done >= most

        until(there, f"{most} orders", patience=3600)

    def bound(self) -> float:
        """The limit of the bytes in hand, in MiB."""
        return load(None, self._names).orders.max_bytes_in_hand / _MIB


def tell(text: str) -> None:
    """Print progress to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def memory(looks: Sequence[Look]) -> float:
    """The median of the resident memory, in MiB."""
    return median(look.memory for look in looks)


def within(looks: Sequence[Look], orders: int, start: float, end: float) -> list[Look]:
    """The samples between two shares (0 to 1) of the orders, or else the nearest one."""
    middle = orders * (start + end) / 2
    found = [look for look in looks if orders * start <= look.done <= orders * end]
    return found or [min(looks, key=lambda look: abs(look.done - middle))]


def named(events: int, orders: int, *, different: int | None = None) -> Iterator[str]:
    """Ids of `orders` orders with `events` events each, from at most `different` different journeys."""
    return (f"n{events}-memory-{number % (different or orders)}" for number in range(orders))


def flat(name: str, before: float, after: float, most: float, **more: Value) -> Row:
    """A row about memory that must not drift."""
    drift = after / before - 1
    return {
        "case": name,
        "before MiB": before,
        "after MiB": after,
        "most MiB": most,
        "drift": drift,
        **more,
        "target": f"drift within ± {DRIFT:.0%}",
        "reached": abs(drift) <= DRIFT,
    }


# -- the parts


def million(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """A million small orders."""
    with stand_in(0) as url:
        scene = Scene(stack, url, "million", every=1, options=options)
        with scene.at_work(named(2, options.orders)):
            began = time.monotonic()
            scene.until_done()
            took = time.monotonic() - began
    looks = scene.looks.all
    before, after = (memory(within(looks, scene.fed, *share)) for share in ((0.05, 0.1), (0.95, 1)))
    most = max(look.memory for look in looks)
    yield flat(f"{scene.fed} orders", before, after, most, **{"orders/s": scene.fed / took})


def outage(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """Many orders wait during an outage of the API."""
    warm = options.waiting // 5
    with stand_in(0.02) as url:
        scene = Scene(stack, url, "outage", every=0.5, options=options)
        # Some more than must wait, because the worker continues until it notices the outage.
        with scene.at_work(named(5, warm + options.waiting + options.waiting // 50)):
            scene.until_done(warm // 2)
            times = [time.monotonic()]
            scene.until_done(warm)
            for faults, seconds in (("503", options.down), ("", options.seconds)):
                times.append(time.monotonic())
                httpx.post(f"{url}/_faults", content=faults, trust_env=False).raise_for_status()
                tell(f"outage: the API answers {faults or 'again'}")
                time.sleep(seconds)
            times.append(time.monotonic())
    before, during, after = (scene.looks.between(*each) for each in pairwise(times))
    if during[-1].done - during[len(during) // 2].done > scene.fed / 100 or after[-1].done <= during[-1].done:
        raise AssertionError("the API was not down, or did not come back")
    least = scene.fed - during[-1].done
    for name, looks in ((f"{least} orders behind an outage", during), ("after the outage", after)):
        yield flat(name, memory(before), memory(looks[len(looks) // 2 :]), max(look.memory for look in looks))


def large(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """Journeys of 10,000 events."""
    with stand_in(0) as url:
        scene = Scene(stack, url, "large", every=0.2, options=options)
        with scene.at_work(named(10_000, options.large, different=16)):
            scene.until_done()
        bound = scene.bound()
    looks = scene.looks.all
    before, after = (memory(within(looks, scene.fed, *share)) for share in ((0.2, 0.6), (0.6, 1)))
    yield flat(f"{scene.fed} journeys of 10,000", before, after, max(look.memory for look in looks))
    most = max(look.in_hand for look in looks)
    yield {
        "case": "the same, bytes in hand",
        "most MiB": most,
        "target": f"at most {bound:g} MiB",
        "reached": most <= bound,
    }


def busy(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """The usual mix of orders."""
    orders = (order.order_id for order in mixed_orders(options.busy))
    with stand_in(0.02) as url:
        scene = Scene(stack, url, "busy", every=1, options=options)
        with scene.at_work(orders):
            scene.until_done()
            most = resident(scene.worker.process.pid, "VmHWM")
    yield {
        "case": "128 in flight, 20 ms",
        "after MiB": memory(scene.looks.all[len(scene.looks.all) // 2 :]),
        "most MiB": most,
        "target": f"at most {BUSY:g} MiB",
        "reached": most <= BUSY,
    }


def linear(stack: Stack, options: argparse.Namespace) -> Iterator[Row]:
    """The same number of events in larger and larger journeys."""
    costs: dict[int, float] = {}
    with stand_in(0) as url:
        for size in SIZES:
            number = max(2, options.events // size)
            scene = Scene(stack, url, f"linear {size}", every=5, options=options)
            took: list[float] = []
            with scene.at_work():
                for turn in range(options.rounds + 1):
                    before = cpu_seconds(scene.worker.process.pid)
                    scene.feed(named(size, number if turn else max(1, number // 4), different=max(8, 10_000 // size)))
                    scene.until_done()
                    if turn:  # the first warms up
                        took.append(cpu_seconds(scene.worker.process.pid) - before)
            costs[size] = 1e6 * median(took) / number
            tell(f"linear: {costs[size] / size:.1f} µs CPU per event of {size}")
            yield {"case": f"journeys of {size}", "µs per order": costs[size], "µs per event": costs[size] / size}
    order, event = fitted(costs)
    ratio = costs[10_000] / costs[1_000] / 10
    yield {
        "case": "least squares",
        "µs per order": order,
        "µs per event": event,
        "ratio": ratio,
        "target": f"10,000 at most {RATIO:g} times 1,000",
        "reached": ratio <= RATIO,
    }


def fitted(costs: Mapping[int, float]) -> tuple[float, float]:
    """The cost of an order and of each event, in microseconds, by least squares of the relative errors."""
    # Minimises Σ (a/y + b·n/y - 1)²: two linear equations in a and b.
    points = [(1 / cost, size / cost) for size, cost in costs.items()]
    aa, ab, bb = sum(p * p for p, _ in points), sum(p * q for p, q in points), sum(q * q for _, q in points)
    a, b = sum(p for p, _ in points), sum(q for _, q in points)
    determinant = aa * bb - ab * ab
    return (a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant


PARTS: Final[Mapping[str, Callable[[Stack, argparse.Namespace], Iterator[Row]]]] = {
    "million": million,
    "outage": outage,
    "large": large,
    "busy": busy,
    "linear": linear,
}


def run(options: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """The rows of each part, as soon as they are measured."""
    with ExitStack() as running:
        stack = running.enter_context(Stack())
        for name in options.only or PARTS:
            tell(name)
            for row in PARTS[name](stack, options):
                yield name, row


def told(row: Row) -> str:
    """A row as a line of text."""
    numbers = (
        f"{name} {value:.1%}" if name == "drift" else f"{name} {value:.{2 if name == 'ratio' else 1}f}"
        for name, value in row.items()
        if isinstance(value, float)
    )
    verdict = f"; {row['target']}: {'reached' if row['reached'] else 'missed'}" if "target" in row else ""
    return f"{row['case']:36}{', '.join(numbers)}{verdict}"


def main() -> None:
    """Print a line for each case, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="one part; repeat it for more")
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders of `million`")
    parser.add_argument("--waiting", type=int, default=100_000, help="orders that wait in the outage")
    parser.add_argument("--down", type=float, default=60.0, help="seconds of the outage")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of work after the outage")
    parser.add_argument("--large", type=int, default=300, help="journeys of 10,000 events")
    parser.add_argument("--busy", type=int, default=20_000, help="orders of `busy`")
    parser.add_argument("--events", type=int, default=100_000, help="events in each round of `linear`")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of `linear`")
    parser.add_argument(
        "--set", action="append", default=[], type=setting, metavar="NAME=VALUE", help="one more setting of the worker"
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of everything")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the lines")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.down, options.seconds = 1, 10.0, 15.0
        for name in ("orders", "waiting", "large", "busy"):
            setattr(options, name, getattr(options, name) // 20)
        options.events = 20_000
    rows: list[dict[str, Any]] = []
    for name, row in run(options):
        rows.append({"part": name, **row})
        if not options.json:
            print(told(row), flush=True)
    if options.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
