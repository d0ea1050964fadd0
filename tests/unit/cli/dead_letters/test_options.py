"""Wrong options of the commands for dead letters, and a missing broker."""

from __future__ import annotations

import pytest

from journeys.cli import main


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["list", "--since", "yesterday"], "--since"),
        (["export", "--until", "2 weeks"], "--until"),
        (["show", "17"], "POSITION"),
        (["show", "orders.completed/0/17"], "POSITION"),
        (["replay", "--to", "journeys.retry.1m"], "--to"),
        (["replay", "--limit", "0"], "--limit"),
        (["replay", "--forgotten", "maybe"], "--forgotten"),
        (["resume", "--url", "worker:8080"], "--url"),
    ],
)
def test_wrong_option_is_exit_code_2(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The broker is not asked."""
    assert main(["dead-letters", *arguments]) == 2
    assert named in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("command", [["list"], ["replay", "--execute"]])
def test_missing_broker_is_reported_in_one_line(
    command: list[str], free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command needs a broker."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port}")
    assert main(["dead-letters", *command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"journeys: no broker answers at 127.0.0.1:{free_port} (")
