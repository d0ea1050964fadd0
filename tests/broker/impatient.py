"""`journeys run`, which reports after 2 s instead of 30 that every request fails."""

from __future__ import annotations

import sys
from typing import Final

from journeys.cli import main
from journeys.ops import failing

PATIENCE_S: Final = 2.0

if __name__ == "__main__":
    vars(failing)["PATIENCE_S"] = PATIENCE_S
    sys.argv[1:] = ["run"]
    sys.exit(main())
