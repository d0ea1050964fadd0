"""Run Apache Kafka, a schema registry and a stand-in for the order-event API for a worker, until Ctrl-C.

The first start downloads Kafka and the registry (about 250 MB). The worker's settings go to stdout, as
`export NAME=value` lines. `python -m journeys_sandbox.api` runs the stand-in alone, with more options.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from journeys.errors import SetupError
from journeys_sandbox.demo.screen import Screen
from journeys_sandbox.sandbox import STOPS, Plan, running


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
        for number, address in enumerate(sandbox.workers, start=1):
            sys.stdout.write(f"# worker {number}: {address}\n")
        if sandbox.prometheus:
            sys.stdout.write(f"# Prometheus: {sandbox.prometheus}\n")
        sys.stdout.write("# running until Ctrl-C\n")
        sys.stdout.flush()
        signal.sigwait(STOPS)


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
