"""Compares the worker with its alternatives: the same orders, API, schemas and registry, one after the other.

    python -m benchmarks.peers [--only NAME …] [--orders N] [--quick] [--json] [--write]

Nineteen orders in twenty have 1 to 19 events, one has 250. The API answers in 20 ms, and 128 requests may be in flight.
Each peer plays three rounds (`benchmarks.peers.rounds`): at full speed, with the API down for 30 s, and killed in the
middle. All peers play the first round five times, in turn and in alternating order, so that a ratio compares close
rounds. The report names each peer that cannot be built here, with the reason. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import count

from benchmarks.client import stand_in
from benchmarks.peers import report
from benchmarks.peers.peers import PEERS, NotBuiltError, Peer
from benchmarks.peers.rounds import Course, Found, murder, outage, speed
from confluent_kafka import KafkaException

from journeys_sandbox.stack.stack import Stack


def tell(line: str) -> None:
    """Print progress to standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


class Ring:
    """Plays the rounds, each with its own topics and group."""

    def __init__(self, stack: Stack, url: str, options: argparse.Namespace) -> None:
        self._stack, self._url, self._options = stack, url, options
        self._numbers = count(1)

    def play(self, name: str, peer: Peer, command: Sequence[str]) -> Found:
        """Play one round. Returns its result, or `failed` with the reason."""
        options = self._options
        orders = options.orders or max(100, peer.orders // (5 if options.quick else 1))
        tell(f"{peer.name}: {name}, {orders} orders")
        rounds: Mapping[str, Callable[[Course], Found]] = {
            "speed": lambda course: speed(course, command),
            "outage": lambda course: outage(course, command, options.outage),
            "kill": lambda course: murder(course, command),
        }
        try:
            found = rounds[name](Course(self._stack, self._url, peer, f"peers-{next(self._numbers)}.", orders))
        except (AssertionError, KafkaException, OSError, TimeoutError, ValueError) as error:
            found = {"failed": (str(error).splitlines() or [repr(error)])[0]}
        tell(f"{peer.name}: {name}: {_short(found)}")
        return found


def built(peer: Peer) -> tuple[Sequence[str] | None, Found]:
    """A peer's command (None if it cannot be built here), and its row of the report."""
    row: Found = {"name": peer.name, "guarantee": peer.guarantee}
    tell(f"{peer.name}: building")
    try:
        return peer.build(), row
    except NotBuiltError as error:
        tell(f"{peer.name}: not run: {error}")
        return None, row | {"why": str(error)}


def _short(found: Found) -> str:
    if "failed" in found:
        return f"failed: {found['failed']}"
    numbers = (f"{key} {value:.2f}" for key, value in found.items() if isinstance(value, float))
    states = (f"{key} {value}" for key, value in found["account"].items() if value)
    return ", ".join([*numbers, *states, f"restarts {found['restarts']}"])


def run(options: argparse.Namespace) -> Found:
    """Play all chosen rounds with all chosen peers. Returns the options and a row for each peer."""
    rows = [(peer, *built(peer)) for peer in PEERS if not options.only or peer.name in options.only]
    able = [(peer, command, row) for peer, command, row in rows if command is not None]
    with ExitStack() as running:
        stack = running.enter_context(Stack(config={"log.message.timestamp.type": "LogAppendTime"}))
        ring = Ring(stack, running.enter_context(stand_in(options.latency)), options)
        for turn in range(options.turns if "speed" in options.rounds else 0):
            for peer, command, row in able[:: -1 if turn % 2 else 1]:
                row.setdefault("speed", []).append(ring.play("speed", peer, command))
        for name in ("outage", "kill"):
            for peer, command, row in able if name in options.rounds else ():
                row[name] = ring.play(name, peer, command)
    return {"options": vars(options), "rows": [row for _, _, row in rows]}


def write(found: Found, load: float) -> None:
    """Write PEERS.md and its plot."""
    command = " ".join(["python", "-m", "benchmarks.peers", *sys.argv[1:]])
    head = [
        "# Peers",
        "",
        f"Written by `{command}` (`make bench-peers`), Python {platform.python_version()}, {os.cpu_count()} cores.",
        "The measured processes share them with the broker, the registry and the stand-in API. Load of the machine",
        f"before: {load:.1f}. [peers/README.md](peers/README.md) describes each peer and how to run one alone.",
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
    parser.add_argument("--only", action="append", choices=names, help="only this peer; repeat it for more")
    parser.add_argument("--rounds", nargs="+", choices=rounds, default=rounds)
    parser.add_argument("--turns", type=int, default=5, help="how often each peer plays the round at full speed")
    parser.add_argument("--orders", type=int, default=0, help="orders in each round; 0: as many as suit the peer")
    parser.add_argument("--latency", type=float, default=0.02, help="latency of the stand-in, in seconds")
    parser.add_argument("--outage", type=float, default=30.0, help="duration of the outage, in seconds")
    parser.add_argument("--quick", action="store_true", help="a fifth of the orders, one turn, the API down for 5 s")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the tables")
    parser.add_argument("--write", action="store_true", help="write benchmarks/PEERS.md as well")
    options = parser.parse_args()
    if options.quick:
        options.outage, options.turns = 5.0, 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the peers, in sessions of their own, end too
    load = os.getloadavg()[0]
    found = run(options)
    print(json.dumps(found) if options.json else report.text(found))
    if options.write:
        write(found, load)


if __name__ == "__main__":
    main()
