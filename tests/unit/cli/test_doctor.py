"""`journeys doctor`: options, and a machine where nothing answers."""

from __future__ import annotations

import json

import fastjsonschema
import pytest
from rich.console import Console

from journeys.cli import main, screen
from journeys.doctor.report import schema


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


@pytest.mark.slow
def test_nothing_answers(free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Three checks fail, and those that need them are skipped. Each line fits the terminal; JSON matches its schema."""
    address = f"127.0.0.1:{free_port}"
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", address)
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", f"http://{address}")
    monkeypatch.setenv("JOURNEYS_API__BASE_URL", f"http://{address}")
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    fastjsonschema.compile(schema())(report)
    failed = [check["id"] for check in report["checks"] if check["status"] == "fail"]
    assert failed == ["kafka.brokers", "registry.answer", "api.answer"]
    assert report["counts"]["skipped"] == len(report["checks"]) - 7

    monkeypatch.setattr(
        screen, "console", lambda: Console(highlight=False, width=80, force_terminal=True, no_color=True)
    )
    assert main(["doctor", "--only-problems"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 + len("\x1b[1m\x1b[0m" * 2)
    assert [line.split()[0] for line in lines if "FAIL" in line and "checks:" not in line] == ["\x1b[1mFAIL"] * 3
