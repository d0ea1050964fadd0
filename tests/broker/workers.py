"""Runs real worker processes, as a user would, and waits for their log events."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.forked import ForkedProcess

from journeys.cli import main

COMMAND = ("-m", "journeys", "run")
"""A worker's real command, for benchmarks: they measure its start, its CPU and its memory."""
PATIENCE = 90.0
"""Seconds to wait for a condition."""


def until(condition: Callable[[], bool], what: str, *, patience: float = PATIENCE) -> None:
    """Wait for a condition. The pause between two checks only saves CPU."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain for {what}")
        time.sleep(0.05)


class Worker:
    """One `journeys run`, or another program that Python runs. Its log is read back as decoded lines."""

    def __init__(self, environment: Mapping[str, str], log: Path, program: Sequence[str] = ()) -> None:
        self._log = log
        self._log.touch()
        self.process: ForkedProcess | subprocess.Popen[bytes]
        whole = {**_plain(), "JOURNEYS_OPS__PORT": "0", **environment}
        if not program:
            self.process = ForkedProcess(["run"], whole, log)
            return
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, *program],
                env=whole,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Its log lines so far, or only those of one event."""
        text = self._log.read_text(errors="replace")
        whole = text[: text.rfind("\n") + 1].splitlines()
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if event is None or line["event"] == event]

    def raw(self) -> str:
        """Its whole log."""
        return self._log.read_text(errors="replace")

    def until(self, event: str, *, times: int = 1) -> list[dict[str, Any]]:
        """Wait until it has logged an event this many times."""

        def seen() -> bool:
            assert self.process.poll() is None or len(self.lines(event)) >= times, self.raw()
            return len(self.lines(event)) >= times

        until(seen, f"{event} in:\n{self.raw()[-4000:]}")
        return self.lines(event)

    def until_assigned(self) -> None:
        """Wait until it reads a partition."""

        def reads() -> bool:
            assert self.process.poll() is None, self.raw()
            return any(line["partitions"] for line in self.lines("orders.assigned"))

        until(reads, "an assignment")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait(10)


class Crew:
    """The workers of one test, with their common settings."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self.environment = dict(environment)
        self.workers: list[Worker] = []
        self.directory = directory

    def hire(self, *program: str, **more: str) -> Worker:
        """Start a worker (see `ForkedProcess`) with more settings, or another program of Python."""
        log = self.directory / f"worker-{len(self.workers)}.log"
        # Tests count the requests for orders.
        worker = Worker({"JOURNEYS_API__PROBE": "off", **self.environment, **more}, log, program)
        self.workers.append(worker)
        return worker

    def run(self, *command: str) -> Ended:
        """Run a command of `journeys` with this crew's settings, in this process."""
        return run_program(main, command, self.environment)

    def setup(self, *command: str) -> None:
        """Run a command of `journeys`. Fails unless it exits with 0."""
        done = self.run(*command)
        assert done.code == 0, done.stderr


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended: its exit code and its output."""

    code: int
    stdout: str
    stderr: str


def run_program(program: Callable[[Sequence[str]], int], words: Sequence[str], settings: Mapping[str, str]) -> Ended:
    """Run the main function of a program in this process, with these settings and no others of the developer."""
    output, errors = StringIO(), StringIO()
    with (
        patch.dict(os.environ, {**_plain(), **settings}, clear=True),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        code = program(words)
    return Ended(code, output.getvalue(), errors.getvalue())


def _plain() -> dict[str, str]:
    """The environment of this process, without the developer's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}


@contextmanager
def crew(environment: Mapping[str, str]) -> Iterator[Crew]:
    """Run workers while the block runs, and end all of them. If the block fails, print their logs."""
    with tempfile.TemporaryDirectory(prefix="journeys-crew-") as directory:
        hired = Crew(environment, Path(directory))
        try:
            yield hired
        except BaseException:
            for number, worker in enumerate(hired.workers):
                sys.stderr.write(f"--- worker {number} ---\n{worker.raw()[-6000:]}\n")
            raise
        finally:
            for worker in hired.workers:
                if worker.process.poll() is None:
                    worker.kill()
