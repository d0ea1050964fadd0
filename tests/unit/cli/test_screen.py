"""Output of the commands: counts, and progress beside the output."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

import pytest

from journeys.cli import screen


@pytest.mark.parametrize(("count", "text"), [(0, "0 letters"), (1, "1 letter"), (1200, "1,200 letters")])
def test_counts_use_the_plural(count: int, text: str) -> None:
    """One letter is a letter, every other number are letters; thousands are set apart."""
    assert screen.some(count, "letter") == text


@pytest.mark.parametrize(("columns", "lines"), [(None, 1), ("", 1), ("40", 8)])
def test_row_is_one_line_without_a_terminal_unless_columns_gives_a_width(
    columns: str | None, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads a line as a row. People who set COLUMNS want tables that fit."""
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    screen.table(screen.console(), ("order", "letters"), [("x" * 200, 1)])
    assert sum("x" in line for line in capsys.readouterr().out.splitlines()) == lines


@pytest.mark.slow
def test_progress_bar_leaves_stdout_alone() -> None:
    """With `export > file` on a terminal, the file gets every line and nothing of the bar."""
    code = "from journeys.cli import screen as s\nwith s.progress('x') as on: on(1, 2); print('a line')"
    terminal, stderr = pty.openpty()
    try:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code],
            env={**os.environ, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=True,
        )
        assert done.stdout == "a line\n"
        shown = b""
        while b"1/2" not in shown and select.select([terminal], [], [], 10)[0]:
            shown += os.read(terminal, 65536)
        assert b"1/2" in shown
    finally:
        os.close(terminal)
        os.close(stderr)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-11-25T10:00:07.000Z", "2026-11-25 10:00"),
        ("Tuesday, the 3rd of May", "Tuesday, the 3rd"),
        ("25 Nov 2026 UTC+Z", "25 Nov 2026 UTC+"),
        ("\x1b[2J\x1b]0;mine\x07Z", '"\\u001b[2J\\u001b]0;mine\\u0007Z"'),
        ("\x1b[2J\x1b]0;xyT\x07Z", '"\\u001b[2J\\u001b]0;xy \\u0007Z"'),
        (None, ""),
    ],
)
def test_time_of_an_event_is_short_and_without_terminal_codes(time: str | None, text: str) -> None:
    """The API may have sent any text, also one that begins or ends as ISO 8601 does."""
    assert screen.event_time(time, 16).plain == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0.0s"), (9.94, "9.9s"), (59.6, "1m"), (130, "2m 10s"), (3600, "1h"), (273_600.0, "3d 4h")],
)
def test_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    """A unit of zero is left out."""
    assert screen.duration(seconds) == text
