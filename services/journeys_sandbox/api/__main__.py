"""`python -m journeys_sandbox.api` runs the stand-in for the order-event API until Ctrl-C."""

from __future__ import annotations

import sys

from journeys_sandbox.api.server import main

if __name__ == "__main__":
    sys.exit(main())
