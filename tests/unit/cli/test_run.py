"""`journeys run`: exit codes and the report of errors."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import structlog

from journeys.cli import main
from journeys.errors import HaltError, SetupError
from journeys.settings import Settings


class Worker(ModuleType):
    """A stand-in for `worker.service`: it keeps its settings, and ends with `ending`."""

    def __init__(self, ending: int | Exception) -> None:
        super().__init__("journeys.worker.service")
        self.ending = ending
        self.settings: Settings | None = None

    def run(self, settings: Settings, *_: object) -> int:
        """Run nothing."""
        self.settings = settings
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker that ends at once. Logging is restored afterwards."""
    ended = Worker(0)
    monkeypatch.setitem(sys.modules, "journeys.worker.service", ended)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield ended
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    logging.getLogger("journeys").setLevel(logging.NOTSET)


@pytest.mark.parametrize("code", [0, 1])
def test_run_returns_the_exit_code_of_the_worker(code: int, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's options for logs override the environment."""
    worker.ending = code
    monkeypatch.setenv("JOURNEYS_LOGS__LEVEL", "error")
    assert main(["run", "--log-level", "debug"]) == code
    assert worker.settings is not None
    assert worker.settings.logs.level == "debug"


def test_fatal_error_and_remedy_are_printed_for_people(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and a line each, without a traceback."""
    worker.ending = SetupError("no topics", remedy="journeys topics create")
    assert main(["run", "--log-format", "console"]) == 1
    assert capsys.readouterr().err.splitlines() == ["journeys: no topics", "journeys: try: journeys topics create"]


def test_error_is_printed_without_terminal_codes(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """It may quote any text of any length; the beginning and the end are printed."""
    worker.ending = HaltError("no \x1b]0;owned\x07 日本\nFAKE: all fine \udcff" + "x" * 60_000 + " the remedy")
    assert main(["run", "--log-format", "console"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"journeys: no \x1b]0;owned\x07 日本\nFAKE: all fine \udcff")
    assert line.endswith("x the remedy")
    assert len(line) < 3_000


def test_fatal_error_is_logged_for_programs(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is JSON like the others, and has the reason."""
    worker.ending = HaltError("fenced three times")
    assert main(["run", "--log-format", "json"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "worker.failed"
    assert json.loads(line)["reason"] == "fenced three times"


def test_defect_is_logged_with_its_traceback(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and a JSON line."""
    worker.ending = ZeroDivisionError("by zero")
    assert main(["run", "--log-format", "json"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: by zero" in json.loads(line)["exception"]
