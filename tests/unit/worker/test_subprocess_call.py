"""Calls in a process of their own: what comes back, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from journeys.errors import HaltError, SetupError
from journeys.producer import registry
from journeys.worker.subprocess_call import Child, T

pytestmark = pytest.mark.slow


def result(child: Child[T]) -> T:
    """What a child answers."""
    with child:
        return asyncio.run(child.result())


def test_the_result_comes_from_another_process() -> None:
    """It is not this one that ran the call."""
    assert result(Child(os.getpid)) != os.getpid()


def test_what_a_call_prints_is_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    """It goes to stderr; the result is the call's own."""
    assert result(Child(print, "hello")) is None
    assert capfd.readouterr() == ("", "hello\n")


def test_errors_come_back_as_they_were_raised() -> None:
    """Python's own, and ours with all they say."""
    with pytest.raises(ValueError, match="not defined for negative"):
        result(Child(math.factorial, -1))
    with pytest.raises(SetupError, match="cannot be asked") as refused:
        result(Child(registry.lookup, "http://127.0.0.1:1", {"max.retries": 0}, "journey."))
    assert refused.value.remedy is None


def test_a_process_that_ends_without_an_answer_is_told() -> None:
    """As when the kernel kills it."""
    with pytest.raises(HaltError, match=r"`_exit` ended without an answer \(exit code 3\)"):
        result(Child(os._exit, 3))


SLEEPS = "import time; pipe = open({path!r}, 'w'); time.sleep(3600)"
"""Whoever opens the other end reads to the end once the process is gone."""


def test_a_call_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    """Leaving the context kills it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with Child(exec, SLEEPS.format(path=str(path))):
        reader = path.open("rb")  # returns once the call has opened its end
    with reader:
        assert reader.read() == b""


def test_a_call_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """Nor where this process is killed, and can end nothing any more."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    parent = (
        "import time; from journeys.worker.subprocess_call import Child;"
        f"child = Child(exec, {SLEEPS.format(path=str(path))!r}); time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:  # noqa: S603 - our own code
        with path.open("rb") as reader:
            process.kill()
            assert reader.read() == b""
        assert process.wait() == -signal.SIGKILL
