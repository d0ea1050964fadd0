"""Measures how long orders wait after a worker ends, until another worker, or the same one again, publishes them.

    python -m benchmarks.failover [--rounds 1] [--json]

Two workers with the default time-outs share six partitions. One of them ends, and then one order is written to each
partition. A round takes from the signal to the broker's append time of the last of these six summaries.

    SIGKILL             its partitions move after the session time-out
    SIGKILL, busy       the same while both publish 4,000 orders, so that a transaction is open most of the time
    SIGKILL, restarted  the killed worker is a static member, and starts again at once
    SIGTERM             the worker leaves its groups
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from random import uniform
from statistics import median
from typing import Final

from benchmarks.client import stand_in
from benchmarks.worker import PARTITIONS, settings_of
from tests.broker.kafka_tools import produce_orders, read_committed
from tests.broker.workers import COMMAND, Crew, Worker, crew, until

from journeys_sandbox.stack.stack import Stack

TARGETS: Final[Mapping[str, float]] = {
    "SIGKILL": 24.0,
    "SIGKILL, busy": 24.0,
    "SIGKILL, restarted": 3.0,
    "SIGTERM": 2.0,
}
"""The most seconds that the project promises."""
_HEARTBEAT_S: Final = 1.5
"""The default heartbeat: a member hears of a rebalance at its next one."""
_BUSY: Final = 4000
"""Orders of the busy round."""


def run(rounds: int) -> Iterator[tuple[str, float]]:
    """Yield the kind of each round, and its seconds."""
    with ExitStack() as running:
        stack = running.enter_context(Stack(config={"log.message.timestamp.type": "LogAppendTime"}))
        url = running.enter_context(stand_in(0.02))
        for number in range(rounds):
            for place, kind in enumerate(TARGETS):
                names = settings_of(stack, url, f"failover-{number}-{place}.", 128)
                with crew(names) as hired:
                    yield kind, _round(hired, stack.broker.bootstrap_servers, names, kind)


def _round(hired: Crew, bootstrap: str, names: Mapping[str, str], kind: str) -> float:
    hired.setup("topics", "create", "--partitions", str(PARTITIONS))
    hired.setup("schemas", "register")
    summaries = f"{names['JOURNEYS_PUBLISH__TOPIC_PREFIX']}summary"
    topic, is_static = names["JOURNEYS_ORDERS__TOPICS"], kind == "SIGKILL, restarted"
    more = [{"JOURNEYS_KAFKA__INSTANCE_ID": f"worker-{number}"} if is_static else {} for number in range(2)]
    static = {"JOURNEYS_KAFKA__STATIC": str(is_static)}
    stays, ends = (hired.hire(*COMMAND, **static, **own) for own in more)
    until(lambda: bool(_partitions(ends, topic) and _partitions(stays, topic)), "an assignment for each")
    if kind == "SIGKILL, busy":
        produce_orders(bootstrap, topic, [f"n5-busy{number}" for number in range(_BUSY)], partitions=PARTITIONS)
        until(lambda: len(read_committed(bootstrap, [summaries])) > PARTITIONS, "both to publish")
    time.sleep(uniform(0, _HEARTBEAT_S))  # else each round would begin right after a heartbeat
    began = time.time()
    ends.process.send_signal(signal.SIGTERM if kind == "SIGTERM" else signal.SIGKILL)
    if is_static:
        hired.hire(*COMMAND, **static, **more[1])
    wanted = [f"n5-next{number}" for number in range(PARTITIONS)]
    produce_orders(bootstrap, topic, wanted, partitions=PARTITIONS)
    return _last_published(bootstrap, summaries, wanted) - began


def _partitions(worker: Worker, topic: str) -> list[str]:
    lines = worker.lines("orders.assigned")
    return [name for line in lines for name in line["partitions"] if name.startswith(f"{topic}/")]


def _last_published(bootstrap: str, topic: str, orders: list[str]) -> float:
    """Wait for the summaries of these orders. Returns the time of the last one, in seconds since the epoch."""
    found: dict[str, float] = {}

    def are_published() -> bool:
        for record in read_committed(bootstrap, [topic]):
            order = (record.key or b"").decode()
            if order in orders:
                found[order] = record.timestamp_ms / 1000
        return len(found) == len(orders)

    until(are_published, "the orders after the end")
    return max(found.values())


def main() -> None:
    """Print the seconds of each kind, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="write JSON instead of the table")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    for kind, took in run(options.rounds):
        seconds.setdefault(kind, []).append(took)
    if options.json:
        print(json.dumps({"seconds": seconds, "load": os.getloadavg()[0], "targets": TARGETS}))
        return
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'seconds':22}{'median':>8}{'most':>8}{'target':>8}")
    for kind, times in seconds.items():
        print(f"{kind:22}{median(times):8.1f}{max(times):8.1f}{TARGETS[kind]:8.1f}")


if __name__ == "__main__":
    main()
