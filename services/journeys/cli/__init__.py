"""The command `journeys`. Exit codes: 0 done, 1 failed (the error says what to do), 2 wrong settings or options."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from journeys.cli.terminal import complain
from journeys.errors import JourneysError, SettingsError, SetupError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An expected error is written as one line, without a traceback."""
    if arguments is None:  # this process is ours
        _open_closed_streams()
        if sys.argv[1:2] == ["run"]:
            _end_on_signals()

    from journeys.cli.app import app  # noqa: PLC0415 - it takes a moment to import

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


def _open_closed_streams() -> None:
    """Open the null device in place of a closed standard stream: a socket would take its number otherwise."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open for the life of the process


def _end_on_signals() -> None:
    """End with exit code 0 on SIGTERM and SIGINT, until the worker takes them: nothing has begun yet.

    Process 1 of a container ignores a signal without a handler, so these come before the slow imports.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
