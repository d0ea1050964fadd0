"""Run Apache Kafka and a schema registry for a worker, until Ctrl-C.

The first start downloads both (about 250 MB). The worker's settings go to stdout, as `export NAME=value` lines.
`python -m journeys_sandbox.api` runs a stand-in for the order-event API.
"""

from __future__ import annotations

import argparse
import signal
import sys

from journeys.errors import SetupError
from journeys_sandbox.stack.stack import Stack


def main() -> int:
    """Start both, print their addresses, wait for Ctrl-C, and clean up. Returns the exit code."""
    argparse.ArgumentParser(
        "python -m journeys_sandbox", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    stops = {signal.SIGINT, signal.SIGTERM}
    try:
        with Stack(progress=_progress) as stack:
            signal.pthread_sigmask(signal.SIG_BLOCK, stops)
            for name, value in stack.environment.items():
                sys.stdout.write(f"export {name}={value}\n")
            sys.stdout.write("# running until Ctrl-C\n")
            sys.stdout.flush()
            signal.sigwait(stops)
    except SetupError as error:
        sys.stderr.write(f"\n{error}\n" + (f"-> {error.remedy}\n" if error.remedy else ""))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _progress(name: str, done: int, total: int | None) -> None:
    share = f"{done / total:4.0%}" if total else f"{done / 1e6:.0f} MB"
    sys.stderr.write(f"\rfetching {name}: {share}" + ("\n" if done == total else ""))
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
