"""The demo: real Kafka, a real registry and two workers on this machine, from order messages to an audit.

Apache Kafka, the schema registry, the stand-in for the order-event API and two workers run in processes of their own.
The orders come in all three message formats, and some of the API's answers fail on purpose. The demo then reads the
records back from Kafka with read_committed and decodes them through the registry. `examples/attribution` turns
the same records into revenue by channel. The demo leaves only the downloads and that report behind. On request
everything keeps running until Ctrl-C, for commands of the user.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from journeys.errors import JourneysError, SetupError
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.demo.audit import CHANNELS, REJECTED, SUMMARY, Result, compare, telling
from journeys_sandbox.demo.kafka import Summaries, open_reader, place_orders, read_back, register_order_schema
from journeys_sandbox.demo.revenue import EXAMPLE, attribute
from journeys_sandbox.demo.screen import Screen
from journeys_sandbox.stack.artifacts import Progress
from journeys_sandbox.stack.children import Child, set_up
from journeys_sandbox.stack.local_http import answers, read_json
from journeys_sandbox.stack.processes import free_ports
from journeys_sandbox.stack.stack import Stack

TOPIC: Final = "orders.completed"
_SPECIAL: Final = (
    "n0-nothing-seen", "n1-came-and-bought", "n250-a-long-story", "n101-one-more-than-a-page", "x-503x2-n7-twice-503",
    "x-hangupx1-n5-hung-up-on", "x-truncatedx1-n9-cut-off", "x-htmlx1-n3-sign-in", "x-grow3x1-n220-still-growing",
    "x-nullevent-n4-null-inside", "x-odd-n6-odd-values", "n12-Größe-尺寸",
)  # fmt: skip
"""Orders whose ids choose the stand-in's answers (see `journeys_sandbox.api.faults`)."""
_PATIENCE_S: Final = 120.0
_PAUSE_S: Final = 0.1

ORDERS: Final = (*_SPECIAL, *(str(5_154_899_656_917 + 32_768 * number) for number in range(300 - len(_SPECIAL))))
"""The ids of the demo's orders."""


def main(*, keep: bool = False) -> int:
    """Run the demo; with `keep`, leave everything running until Ctrl-C.

    Returns 0 if every record exists exactly once, 1 if not or on an error, 130 after Ctrl-C before that.
    """
    screen = Screen()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = _run(screen, keep=keep)
    except KeyboardInterrupt:
        screen.say("Stopped. Everything is cleaned up.")
        return 130
    except JourneysError as error:
        screen.say("[red]The demo cannot continue.[/]")
        screen.raw(str(error))
        if isinstance(error, SetupError) and error.remedy:
            screen.raw(f"try: {error.remedy}")
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    screen.say(*(_what_next() if result.exact else ["[red]This should never happen. Please report it.[/]"]))
    return 0 if result.exact else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(screen: Screen, *, keep: bool) -> Result:
    screen.say("[bold]journeys[/]: completed orders in, whole customer journeys out, exactly once.", "")
    started = time.monotonic()
    with ExitStack() as running:
        with screen.step("Apache Kafka and a schema registry") as step:
            stack = Stack(progress=step.update)
            running.callback(stack.stop)
            stack.start()
        with screen.step("a stand-in for the order-event API, which fails now and then"):
            port = free_ports(1)[0]
            url = f"http://127.0.0.1:{port}"
            api = running.enter_context(_api(port))
            api.until(lambda: answers(f"{url}/_stats"), "listen")
        settings = {**stack.environment, **_settings(url)}
        with screen.step("topics and schemas") as step:
            step.result = set_up(settings)
        workers = [
            running.enter_context(Child(f"worker-{number}", "journeys", "run", settings=settings)) for number in (1, 2)
        ]
        with screen.step("two workers join the consumer group"):
            for worker in workers:
                worker.until_joined()
        with screen.step(f"{len(ORDERS)} orders through two workers") as step:
            place_orders(
                stack.broker.bootstrap_servers, TOPIC, ORDERS, register_order_schema(stack.registry.url, TOPIC)
            )
            _watch(stack, workers, step.update)
            step.result = _asked(url)
        if not keep:
            _finish(screen, workers)
        with ThreadPoolExecutor() as pool:
            revenue = pool.submit(attribute, stack.environment) if EXAMPLE.is_dir() else None
            with screen.step("reading everything back, committed records only"):
                records = read_back(stack.broker.bootstrap_servers, stack.registry.url, (*CHANNELS, REJECTED, SUMMARY))
                result = compare({order: journey_of(order) for order in ORDERS}, records)
            screen.say("")
            screen.channels(result)
            screen.timeline(telling(records))
            screen.totals(result)
            screen.say("")
            _show_revenue(screen, revenue)
        screen.say(f"[dim]{time.monotonic() - started:.0f} s in all[/]", "")
        if keep:
            screen.say(*_to_try({**stack.environment, "JOURNEYS_API__BASE_URL": url}))
            _wait_for_interrupt()
            _finish(screen, workers)
            screen.say("")
    return result


def _finish(screen: Screen, workers: Sequence[Child]) -> None:
    with screen.step("the workers finish and leave the group") as step:
        for worker in workers:
            worker.ask_to_stop()
        step.result = f"exit codes {' and '.join(str(worker.stop()) for worker in workers)}"


def _show_revenue(screen: Screen, revenue: Future[str] | None) -> None:
    """Print the table and the report's path of `attribute`, or the reason why there is none."""
    if revenue is None:
        screen.say("Revenue by channel: run examples/attribution of the repository. This installation lacks it.", "")
        return
    with screen.step("revenue by channel, with examples/attribution"):
        lines = revenue.result()
    screen.say("")
    screen.raw(lines)


def _wait_for_interrupt() -> None:
    """Return at Ctrl-C or SIGTERM."""
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()


def _api(port: int) -> Child:
    options = ("--port", str(port), "--latency", "0.02", "--fail-share", "0.05")
    return Child("api", "journeys_sandbox.api", *options)


def _settings(url: str) -> dict[str, str]:
    return {
        "JOURNEYS_API__BASE_URL": url,
        "JOURNEYS_API__EMPTY_AFTER": "[]",  # an order without events is published at once, as an empty journey
        "JOURNEYS_ORDERS__TOPICS": TOPIC,
        "JOURNEYS_OPS__PORT": "0",
    }


def _asked(url: str) -> str:
    """A note on the requests that the stand-in counted."""
    stats = read_json(f"{url}/_stats")
    failed = sum(count for status, count in stats["statuses"].items() if status != "200")
    return f"{stats['requests']} requests to the API, {failed} of them refused on purpose"


def _watch(stack: Stack, workers: Sequence[Child], update: Progress) -> None:
    """Wait until every order has its summary.

    Raises SetupError if a worker ends, or if no order is published for `_PATIENCE_S` seconds.
    """
    with open_reader(stack.broker.bootstrap_servers) as reader:
        summaries = Summaries(reader)
        last, seen = time.monotonic(), -1
        while (count := summaries.count()) < len(ORDERS):
            if count > seen:
                last, seen = time.monotonic(), count
            update("orders published", count, len(ORDERS))
            for worker in workers:
                worker.check()
            time.sleep(_PAUSE_S)
            if time.monotonic() - last > _PATIENCE_S:
                logs = "\n".join(f"--- {worker.name}\n{worker.log}" for worker in workers)
                raise SetupError(f"{count} of {len(ORDERS)} orders are published, and no more follow:\n{logs}")
        update("orders published", count, len(ORDERS))


def command() -> str:
    """The command `journeys` as a shell in this directory finds it."""
    here = Path(sys.executable).with_name("journeys")
    return "journeys" if shutil.which("journeys") or not here.exists() else _short(here)


def _to_try(exports: Mapping[str, str]) -> list[str]:
    commands = [
        ("send my-order x-400-refused", "send two orders"),
        ("show my-order", "the journey of one"),
        ("dead-letters list", "why the other failed"),
        ("tail email --since 1h --limit 10", "ten events of a channel"),
        ("lag", "orders that are not done"),
        ("doctor", "check everything"),
    ]
    return [
        "[bold]Everything keeps running until Ctrl-C. In another terminal:[/]",
        *(f"  export {name}={value}" for name, value in exports.items()),
        *_columns([(f"{command()} {words}", what) for words, what in commands]),
    ]


def _what_next() -> list[str]:
    journeys = command()
    python = "python" if shutil.which("journeys") else _short(Path(sys.executable))
    lines = [
        (f"{python} -m journeys_sandbox", "run this Kafka, registry and API alone"),
        (f"{journeys} --help", "all commands: set up, run, send orders"),
        (f"{journeys} doctor", "check your own Kafka and API"),
    ]
    return ["[bold]Next steps[/]", *_columns(lines)]


def _columns(lines: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(line) for line, _ in lines)
    return [f"  {line:<{width}}  [dim]{what}[/]" for line, what in lines]


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
