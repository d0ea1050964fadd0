"""The command `journeys`. Exit codes: 0 done, 1 it cannot be done (and what to do), 2 wrong settings."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from journeys.cli.terminal import harmless
from journeys.errors import HaltError, JourneysError, SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what is expected to go wrong is told in a line, without a trace."""
    from journeys.cli.app import app  # noqa: PLC0415 - so that importing `main` costs nothing

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # it may be no UTF-8, and an order's id anything
    try:
        app(args=None if arguments is None else list(arguments), prog_name="journeys")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except SettingsError as error:
        _tell(*(f"{name}: {what}" for name, what in error.problems))
        return 2
    except JourneysError as error:
        remedy = getattr(error, "remedy", None) if isinstance(error, HaltError) else None
        _tell(str(error), *([f"try: {remedy}"] if remedy else []))
        return 1
    return 0


def _tell(*lines: str) -> None:
    for line in lines:
        print(f"journeys: {harmless(line)}", file=sys.stderr)  # noqa: T201 - this is where a command speaks
