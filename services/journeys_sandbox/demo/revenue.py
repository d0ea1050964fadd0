"""Revenue by channel: the demo runs the commands of `examples/attribution` on its own topics, as a user would."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from journeys_sandbox.stack.children import run_module

EXAMPLE: Final = Path(__file__).parents[3] / "examples" / "attribution"
"""A folder of the repository. An installed package does not contain it."""
_REPORT: Final = EXAMPLE / "demo.html"


def attribute(settings: Mapping[str, str]) -> str:
    """Load the committed records into a new database. Returns the table, and a line with the path of the report.

    The report stays; the database is removed. Raises SetupError, with the messages, if a command fails.
    """
    run = partial(run_module, "attribution", settings={**settings, "PYTHONPATH": str(EXAMPLE)})
    with TemporaryDirectory(prefix="journeys-revenue-") as place:
        database = ("--database", f"{place}/demo.duckdb")
        run("load", *database)
        return run("table", *database) + "\n" + run("report", *database, "--html", str(_REPORT))
