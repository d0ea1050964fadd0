"""The worker beside its alternatives: the same orders, API, schemas and registry, one after the other.

    python -m benchmarks.peers [--only NAME …] [--orders N] [--quick] [--json] [--write]

Nineteen orders in twenty have 1 to 19 events, one has 250; the API answers in 20 ms, and 128 requests may be in flight.
Each peer plays three rounds (`benchmarks.peers.rounds`): at full speed, with the API down for 30 s, and killed in the
middle. A peer that cannot be built here is named, with the reason. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

from benchmarks.client import stand_in
from benchmarks.peers import report
from benchmarks.peers.peers import PEERS, NotBuiltError, Peer
from benchmarks.peers.rounds import Course, Found, murder, outage, speed
from confluent_kafka import KafkaException

from journeys_sandbox.stack import Stack

_NUMBERS = count(1)


def tell(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def measured(peer: Peer, stack: Stack, url: str, options: argparse.Namespace) -> Found:
    """All rounds of one peer."""
    row: dict[str, Any] = {"name": peer.name, "guarantee": peer.guarantee}
    tell(f"{peer.name}: building")
    try:
        command = peer.build()
    except NotBuiltError as error:
        tell(f"{peer.name}: not run: {error}")
        return row | {"why": str(error)}
    orders = options.orders or max(100, peer.orders // (5 if options.quick else 1))
    rounds: dict[str, Callable[[Course], Found]] = {
        "speed": lambda course: speed(course, command),
        "outage": lambda course: outage(course, command, options.outage),
        "kill": lambda course: murder(course, command),
    }
    for name, play in rounds.items():
        if name not in options.rounds:
            continue
        tell(f"{peer.name}: {name}, {orders} orders")
        try:
            row[name] = play(Course(stack, url, peer, f"peers-{next(_NUMBERS)}.", orders))
        except (AssertionError, KafkaException, OSError, TimeoutError, ValueError) as error:
            row[name] = {"failed": (str(error).splitlines() or [repr(error)])[0]}
        tell(f"{peer.name}: {name}: {_short(row[name])}")
    return row


def _short(found: Found) -> str:
    if "failed" in found:
        return f"failed: {found['failed']}"
    numbers = (f"{key} {value:.2f}" for key, value in found.items() if isinstance(value, float))
    states = (f"{key} {value}" for key, value in found["account"].items() if value)
    return ", ".join([*numbers, *states, f"restarts {found['restarts']}"])


def run(options: argparse.Namespace) -> Found:
    """Every peer that was asked for, one after the other."""
    with ExitStack() as running:
        stack = running.enter_context(Stack(config={"log.message.timestamp.type": "LogAppendTime"}))
        url = running.enter_context(stand_in(options.latency))
        rows = [measured(peer, stack, url, options) for peer in PEERS if not options.only or peer.name in options.only]
    return {"options": vars(options), "rows": rows}


def write(found: Found, load: float) -> None:
    """Write PEERS.md and its plot."""
    command = " ".join(["python", "-m", "benchmarks.peers", *sys.argv[1:]])
    head = [
        "# Peers",
        "",
        f"Written by `{command}` (`make bench-peers`): Python {platform.python_version()}, {os.cpu_count()} cores,",
        "which broker, registry and the stand-in of the API share with what is measured; load of the machine before:",
        f"{load:.1f}. What each peer is and how to run one alone: [peers/README.md](peers/README.md).",
        "",
    ]
    plot = report.PAPER.parent / "results" / "peers.svg"
    plot.parent.mkdir(exist_ok=True)
    plot.write_text(report.plot(found), encoding="utf-8")
    report.PAPER.write_text("\n".join([*head, *report.write(found)]).rstrip() + "\n", encoding="utf-8")
    tell(f"written: {report.PAPER}")


def main() -> None:
    """Print the tables, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names, rounds = [peer.name for peer in PEERS], ["speed", "outage", "kill"]
    parser.add_argument("--only", action="append", choices=names, help="this peer; may be given again")
    parser.add_argument("--rounds", nargs="+", choices=rounds, default=rounds)
    parser.add_argument("--orders", type=int, default=0, help="in each round; by default as many as suit the peer")
    parser.add_argument("--latency", type=float, default=0.02, help="of the stand-in, in seconds")
    parser.add_argument("--outage", type=float, default=30.0, help="how long the API is down, in seconds")
    parser.add_argument("--quick", action="store_true", help="a fifth of the orders, and the API down for 5 s")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the tables")
    parser.add_argument("--write", action="store_true", help="write benchmarks/PEERS.md as well")
    options = parser.parse_args()
    if options.quick:
        options.outage = 5.0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no peer, in a session of its own, is left behind
    load = os.getloadavg()[0]
    found = run(options)
    print(json.dumps(found) if options.json else report.text(found))
    if options.write:
        write(found, load)


if __name__ == "__main__":
    main()
