"""`journeys doctor`: its options, and the report on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from journeys.cli import main
from journeys.cli.doctor import show
from journeys.doctor.report import Report, Result, fail, ok, skipped, warn


@pytest.mark.parametrize(
    ("arguments", "named"), [(["--yes"], "--fix"), (["--fix"], "--yes"), (["--nonsense"], "--nonsense")]
)
def test_wrong_option_is_exit_code_2(
    arguments: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No check runs. --fix asks, which needs a terminal or --yes."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["doctor", *arguments]) == 2
    assert named in capsys.readouterr().err


def test_setting_unknown_to_librdkafka_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a worker."""
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", '{"no.such.thing": 1}')
    assert main(["doctor"]) == 2
    assert "JOURNEYS_KAFKA__CONFIG" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 160])
def test_each_line_fits_the_terminal(width: int) -> None:
    """The details stay in their column, and each remedy begins a line. Text from outside is harmless."""
    results = [
        Result(id="a.b", title="topics", finding=ok("all topics exist " * 10), took_s=0.1),
        Result(id="a.c", title="retention", finding=warn("too short " * 20, "first\nsecond"), took_s=0.1),
        Result(id="a.d", title="a long title", finding=fail("[red]broken[/red]\x1b[31m"), took_s=0.1),
        Result(id="a.e", title="clock", finding=skipped("not asked"), took_s=0.1),
    ]
    report = Report(at="2026-11-27T12:00:00Z", results=results)
    text = io.StringIO()
    show(Console(file=text, width=width), report, report.results)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line.endswith(" ") for line in lines)
    assert [line[:9].strip() for line in lines if not line.startswith(" ")] == [
        "ok",
        "warn",
        "FAIL",
        "skipped",
        "4 checks:",
    ]
    assert [line.strip() for line in lines if "try: " in line] == ["try: first", "try: second"]
    assert "[red]broken[/red]" in text.getvalue()
    assert "\x1b" not in text.getvalue()
    assert lines[-1] == "4 checks: 1 ok, 1 warn, 1 FAIL, 1 skipped"
