"""The command `journeys`. Exit codes: 0 done, 1 failed (the error says what to do), 2 wrong settings or options."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from journeys.cli.terminal import complain
from journeys.errors import JourneysError, SettingsError, SetupError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An expected error is written as one line, without a traceback."""
    from journeys.cli.app import app  # noqa: PLC0415 - so that importing `main` costs nothing

    if isinstance(sys.stdout, io.TextIOWrapper):
        # The output may be in any encoding, and an order id may hold any character.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(args=None if arguments is None else list(arguments), prog_name="journeys")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except SettingsError as error:
        complain(*(f"{name}: {what}" for name, what in error.problems))
        return 2
    except JourneysError as error:
        remedy = error.remedy if isinstance(error, SetupError) else None
        complain(str(error), *([f"try: {remedy}"] if remedy else []))
        return 1
    return 0
