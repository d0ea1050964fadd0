"""Python child processes, each with its log. None outlives its parent, even if SIGKILL ends that."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from journeys.errors import SetupError
from journeys_sandbox.stack.guard import __file__ as _guard
from journeys_sandbox.stack.processes import Workplace

_STOP_S = 15.0
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
        self._guard: subprocess.Popen[bytes]
        self._pid = 0

    def __enter__(self) -> Self:
        self._place = Workplace(self.name)
        python = [sys.executable, "-m", *self._arguments]
        with self._place.log.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-I", "-S", _guard, str(self._place.path), *python],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(self._settings),
                start_new_session=True,  # only the demo gets Ctrl-C; it stops its children in order
            )
        assert self._guard.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        self._pid = int(self._guard.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._guard.kill()
            self._guard.wait()
            for pipe in (self._guard.stdin, self._guard.stdout):
                if pipe is not None:
                    pipe.close()
            self._place.close()

    @property
    def log(self) -> str:
        """The last lines of its log."""
        return self._place.tail()

    def check(self) -> None:
        """Raise SetupError, with the last lines of its log, if the process has ended."""
        if (code := self._guard.poll()) is not None:
            raise SetupError(f"{self.name} ended with exit code {code}:\n{self.log}")

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
        self._signal(signal.SIGTERM)

    def stop(self) -> int:
        """Send SIGTERM, wait up to 15 s, then kill. Returns the exit code."""
        self.ask_to_stop()
        try:
            return self._guard.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            return self._guard.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._guard.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)


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
