"""Calls in a process of their own: what comes back, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path

import pytest

from journeys.errors import HaltError, SetupError
from journeys.producer import subjects
from journeys.worker.child import Child, T


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
        result(Child(subjects.lookup, "http://127.0.0.1:1", {"max.retries": 0}, "journey."))
    assert refused.value.remedy is None


def test_a_process_that_ends_without_an_answer_is_told() -> None:
    """As when the kernel kills it."""
    with pytest.raises(HaltError, match="exit code 3"):
        result(Child(os._exit, 3))


def test_a_call_that_nobody_waits_for_leaves_no_process_behind(tmp_path: Path) -> None:
    """It is killed: whoever waits at the other end of its pipe reads to the end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with Child(exec, f"import time; pipe = open({str(path)!r}, 'w'); time.sleep(3600)"):
        reader = os.open(path, os.O_RDONLY)  # returns once the call has opened the other end
    assert os.read(reader, 1) == b""
    os.close(reader)
