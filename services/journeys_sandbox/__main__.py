"""Run Apache Kafka, a schema registry and a stand-in for the order-event API for a worker, until Ctrl-C.

The first start downloads Kafka and the registry (about 250 MB). The worker's settings go to stdout, as
`export NAME=value` lines. `python -m journeys_sandbox.api` runs the stand-in alone, with more options.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from journeys.errors import SetupError
from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.demo.screen import Screen
from journeys_sandbox.stack.processes import require_free
from journeys_sandbox.stack.stack import Stack

_STOPS = {signal.SIGINT, signal.SIGTERM}


def main(arguments: Sequence[str] | None = None) -> int:
    """Start all three, print their addresses, wait for Ctrl-C, and clean up. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        for port in (options.kafka_port, options.registry_port, options.api_port):
            require_free(port)
        _serve(options)
    except SetupError as error:
        sys.stderr.write(f"\n{error}\n" + (f"-> {error.remedy}\n" if error.remedy else ""))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(options: argparse.Namespace) -> None:
    screen = Screen(Console(stderr=True, highlight=False))
    with ExitStack() as running:
        with screen.step("Apache Kafka and a schema registry") as step:
            stack = Stack(kafka_port=options.kafka_port, registry_port=options.registry_port, progress=step.update)
            running.enter_context(stack)
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)  # also for the stand-in's thread, which starts now
        api = running.enter_context(StandInThread(port=options.api_port))
        for name, value in {**stack.environment, "JOURNEYS_API__BASE_URL": api.url}.items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.write("# running until Ctrl-C\n")
        sys.stdout.flush()
        signal.sigwait(_STOPS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m journeys_sandbox", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for part, port in (("kafka", 9092), ("registry", 8081), ("api", 8090)):
        parser.add_argument(f"--{part}-port", type=int, default=port, help=f"{port} by default; 0 is any free one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
