"""SIGTERM in the first second of a worker, also as process 1 of a container, which ignores it without a handler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # other processes

PATIENCE_S = 60.0
CONTAINER = ["unshare", "--user", "--pid", "--fork"]
RUN = [sys.executable, "-m", "journeys", "run"]


def takes_sigterm(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def has_loaded(library: str, pid: int) -> bool:
    """Whether the process has mapped a library with this word in its name."""
    return library in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


def start(*command: str) -> subprocess.Popen[bytes]:
    """A worker whose broker does not answer."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    settings = {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "JOURNEYS_OPS__PORT": "0"}
    return subprocess.Popen(command, env={**plain, **settings}, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command


def until(condition: Callable[[], bool]) -> None:
    """Wait for a moment in the start of a worker, and return as soon as it comes."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline


@pytest.mark.parametrize("library", [None, "pydantic_core", "librdkafka"])
def test_a_sigterm_during_the_imports_ends_a_worker_with_code_0(library: str | None) -> None:
    """From the first handler on, at any moment of the start; that handler comes before the heavy imports."""
    with start(*RUN) as worker:
        until(lambda: takes_sigterm(worker.pid))
        if library is None:
            assert not has_loaded("pydantic_core", worker.pid)
        else:
            until(lambda: has_loaded(library, worker.pid))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0


@pytest.mark.skipif(
    subprocess.run([*CONTAINER, "true"], check=False, capture_output=True).returncode != 0,  # noqa: S603
    reason="this system gives its users no process namespace (unshare --user --pid)",
)
def test_process_1_of_a_container_ends_at_an_early_sigterm() -> None:
    """The kernel drops a signal for process 1 that has no handler: this one is not lost, and no SIGKILL is needed."""
    with start(*CONTAINER, "--kill-child", *RUN) as outside:
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
        until(lambda: bool(children.read_text(encoding="ascii")))
        worker = int(children.read_text(encoding="ascii"))
        until(lambda: takes_sigterm(worker))
        assert not has_loaded("pydantic_core", worker)
        os.kill(worker, signal.SIGTERM)
        assert outside.wait(PATIENCE_S) == 0
