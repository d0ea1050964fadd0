"""Run Apache Kafka, a schema registry and a stand-in for the order-event API for a worker, until Ctrl-C.

The first start downloads Kafka and the registry (about 200 MB). The worker's settings go to stdout, as
`export NAME=value` lines. `python -m journeys_sandbox.api` runs the stand-in alone, with more options.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from journeys.errors import SetupError
from journeys_sandbox.demo.run import command
from journeys_sandbox.demo.screen import Screen
from journeys_sandbox.sandbox import STOPS, Plan, Sandbox, running


def main(arguments: Sequence[str] | None = None) -> int:
    """Start all parts, print their addresses, wait for Ctrl-C, and clean up. Returns the exit code."""
    plan = Plan(**vars(_parser().parse_args(arguments)))
    try:
        plan.require_free_ports()
        _serve(plan)
    except SetupError as error:
        sys.stderr.write(f"\n{error}\n" + (f"-> {error.remedy}\n" if error.remedy else ""))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(plan: Plan) -> None:
    with running(plan, Screen(Console(stderr=True, highlight=False))) as sandbox:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        for name, value in sandbox.environment.items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.writelines(f"# {line}\n" for line in _notes(sandbox))
        sys.stdout.flush()
        signal.sigwait(STOPS)


def _notes(sandbox: Sandbox) -> Iterator[str]:
    """The addresses of the parts, and commands to try in another terminal, after the exports."""
    for number, address in enumerate(sandbox.workers, start=1):
        yield f"the page of worker {number}: {address}/"
    if sandbox.prometheus:
        yield f"the alerts in Prometheus: {sandbox.prometheus}/alerts"
    if sandbox.workers:
        yield f"send 2,000 orders: seq 2000 | {command()} send --file - --rate 20"
        yield f"let the API fail: curl -d 503 {sandbox.api.url}/_faults"
        yield f"let it answer again: curl -d '' {sandbox.api.url}/_faults"
    yield "running until Ctrl-C"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m journeys_sandbox", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for part, port in (("kafka", 9092), ("registry", 8081), ("api", 8090), ("prometheus", 9090)):
        parser.add_argument(f"--{part}-port", type=int, default=port, help=f"{port} by default; 0 is any free one")
    parser.add_argument("--workers", type=int, default=0, help="start this many workers, too; 0 by default")
    parser.add_argument("--ops-port", type=int, default=9101, help="of the first worker; 9101 by default, 0 is any")
    parser.add_argument("--rules", type=Path, help="start Prometheus, too, with the alerts of this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
