"""Measures a start, from `journeys run` to the first published event, step by step, and the imports.

    python -m benchmarks.start [--rounds 5] [--packages 12] [--json]

The broker and the registry run, topics and schemas exist, and one order waits. Each round starts a worker in its own
group. The timestamps of its log lines give the steps; the last step is the broker's append time of the order's summary.
CPU is that of the worker's process until then. Imports are summed by package from `python -X importtime`, each module
without the modules that it imports.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from statistics import median
from typing import Final

from benchmarks.client import stand_in
from benchmarks.worker import PARTITIONS, cpu_seconds, settings_of
from tests.broker.kafka_tools import produce_orders, read_committed
from tests.broker.workers import COMMAND, Crew, crew, until

from journeys_sandbox.stack.stack import Stack

TARGET = 2.0
"""The most seconds to the first published event that the project promises."""
STEPS: Final = ("worker.starting", "registry.schemas_known", "worker.started", "orders.assigned")
"""The log events of the steps."""
_IMPORT: Final = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)")
_MODULES: Final = "import journeys.cli.app, journeys.worker.service"


def imports() -> Counter[str]:
    """Import time in milliseconds, by package."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-X", "importtime", "-c", _MODULES], capture_output=True, text=True, check=True
    )
    spent: Counter[str] = Counter()
    for took, module in _IMPORT.findall(done.stderr):
        spent[module.partition(".")[0]] += int(took) / 1000  # type: ignore[assignment]  # a Counter of times
    return spent


def run(rounds: int) -> Iterator[Mapping[str, float]]:
    """A row for each round: step → seconds since the start, and the CPU seconds."""
    with ExitStack() as running:
        stack = running.enter_context(Stack(config={"log.message.timestamp.type": "LogAppendTime"}))
        url = running.enter_context(stand_in(0.02))
        for number in range(rounds + 1):
            names = settings_of(stack, url, f"start-{number}.", 128)
            with crew(names) as hired:
                row = _round(hired, stack.broker.bootstrap_servers, names)
            if number:  # the first round warms up the file cache and the broker's own topics
                yield row


def _round(hired: Crew, bootstrap: str, names: Mapping[str, str]) -> Mapping[str, float]:
    hired.setup("topics", "create", "--partitions", str(PARTITIONS))
    hired.setup("schemas", "register")
    produce_orders(bootstrap, names["JOURNEYS_ORDERS__TOPICS"], ["n5-first"], partitions=1)
    topic = f"{names['JOURNEYS_PUBLISH__TOPIC_PREFIX']}summary"
    began = time.time()
    worker = hired.hire(*COMMAND)
    worker.until("orders.assigned")
    until(lambda: bool(read_committed(bootstrap, [topic])), "the first order")
    cpu = cpu_seconds(worker.process.pid)
    [summary] = read_committed(bootstrap, [topic])
    at = {step: datetime.fromisoformat(worker.lines(step)[0]["timestamp"]).timestamp() for step in STEPS}
    if worker.stop():
        raise AssertionError(worker.raw())
    seconds = {**at, "first event published": summary.timestamp_ms / 1000}
    return {**{step: moment - began for step, moment in seconds.items()}, "CPU": cpu}


def main() -> None:
    """Print the steps and the imports, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packages", type=int, default=12, help="number of packages to print")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the tables")
    options = parser.parse_args()
    rows = list(run(options.rounds))
    spent = imports()
    if options.json:
        print(json.dumps({"rows": rows, "imports_ms": dict(spent), "load": os.getloadavg()[0], "target": TARGET}))
        return
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'seconds':28}{'median':>8}{'from':>8}{'to':>8}")
    for step in rows[0]:
        times = [row[step] for row in rows]
        print(f"{step:28}{median(times):8.2f}{min(times):8.2f}{max(times):8.2f}")
    print(f"imports: {spent.total():.0f} ms")
    for package, took in spent.most_common(options.packages):
        print(f"  {package:26}{took:8.0f}")


if __name__ == "__main__":
    main()
