"""Python child processes, each with its log. None outlives its parent, even if SIGKILL ends that."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from journeys.errors import SetupError
from journeys_sandbox.stack.processes import GuardedProcess, Workplace

_COMMAND_S = 60.0
_START_S = 30.0
_LOOK_S = 0.02


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with `more` instead of any other JOURNEYS_ variable.

    It names no proxy: all servers that a child asks are on this machine.
    """
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("JOURNEYS_") and not name.lower().endswith("_proxy")
    }
    return {**own, **more}


class Child:
    """Runs `python -m MODULE…` while the `with` block runs, under a guard process (see `guard`)."""

    def __init__(self, name: str, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._arguments = arguments
        self._settings = settings or {}
        self._place: Workplace
        self._process: GuardedProcess

    def __enter__(self) -> Self:
        self._place = Workplace(self.name)
        python = [sys.executable, "-m", *self._arguments]
        self._process = GuardedProcess(self._place, python, env=environment(self._settings), cwd=Path.cwd())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._place.close()

    @property
    def log(self) -> str:
        """The last lines of its log."""
        return self._place.tail()

    def check(self) -> None:
        """Raise SetupError, with the last lines of its log, if the process has ended."""
        if not self._process.running:
            raise SetupError(f"{self.name} ended with exit code {self._process.wait()}:\n{self.log}")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition. Raises SetupError if the process ends first, or after 30 s: it does not do `what`."""
        deadline = time.monotonic() + _START_S
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise SetupError(f"{self.name} does not {what}:\n{self.log}")
            time.sleep(_LOOK_S)

    def until_joined(self) -> None:
        """Wait until a worker has joined its consumer group. Raises SetupError as `until` does."""
        self.until(lambda: '"orders.assigned"' in self.log, "join the consumer group")

    def ask_to_stop(self) -> None:
        """Send SIGTERM without waiting."""
        self._process.terminate()

    def stop(self) -> int:
        """Send SIGTERM, wait up to 15 s, then kill. Returns the exit code."""
        return self._process.stop()


def run_module(*arguments: str, settings: Mapping[str, str]) -> str:
    """Run `python -m MODULE…` to its end. Returns its output. Raises SetupError, with its messages, if it fails."""
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", *arguments],
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"`{' '.join(arguments)}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def set_up(settings: Mapping[str, str]) -> str:
    """Create topics and register schemas side by side, with the commands that users have. Returns a note."""
    with ThreadPoolExecutor() as pool:
        topics = pool.submit(run_module, "journeys", "topics", "create", settings=settings)
        schemas = pool.submit(run_module, "journeys", "schemas", "register", settings=settings)
        counts = (len(topics.result().splitlines()), len(schemas.result().splitlines()))
    return f"{counts[0]} topics, {counts[1]} schemas"
