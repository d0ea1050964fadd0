"""Starts `journeys` processes within milliseconds: a server process has imported the code once, and forks.

An import of the whole worker takes about a second of CPU, more than most tests need for the rest. A forked process
runs the same `main()` with its own environment, arguments, standard streams and signals. Tests of the start itself
(`tests/unit/cli`, `test_demo.py`) run the real command.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
# `__main__` is imported once, too: each child would import pytest's own otherwise.
_CONTEXT.set_forkserver_preload(["__main__", "journeys.cli.app", "journeys.worker.service"])


class ForkedProcess:
    """A `journeys` process, with the methods of `subprocess.Popen` that tests use. Its log goes to a file."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        target = (list(arguments), dict(environment), str(log))
        self._process = _CONTEXT.Process(target=_run, args=target, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Like `returncode`."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, `timeout` seconds at most. Returns the exit code; raises TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("journeys", timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended. The server process may know of its end a moment earlier."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        self.send_signal(signal.SIGKILL)


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """Become the process that `python -m journeys` would have been, and run the command."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDWR)
    for source, stream in ((null, 0), (null, 1), (output, 2)):
        os.dup2(source, stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["journeys", *arguments]

    from journeys.cli import main  # noqa: PLC0415 - the server process imports it, this module does not need it

    sys.exit(main())
