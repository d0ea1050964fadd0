"""The command line as a whole: help, version, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from journeys import __version__
from journeys.cli import main


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, until it ends."""
    # The arguments are those of the tests below.
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It also shows the first steps."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(
        command in shown
        for command in (
            *("run", "send", "show", "tail", "lag", "doctor", "support-bundle", "demo"),
            *("dead-letters", "topics", "schemas", "config", "First steps"),
        )
    )


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["send"],
        ["show"],
        ["tail"],
        ["lag"],
        ["doctor"],
        ["support-bundle"],
        ["demo"],
        ["topics", "create"],
        ["schemas", "register"],
        ["schemas", "check"],
        ["schemas", "export"],
        ["config", "show"],
        *(["dead-letters", command] for command in ("list", "show", "replay", "export", "resume")),
    ],
)
def test_each_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help needs no settings, no broker and no registry."""
    assert main([*command, "--help"]) == 0
    assert "Usage: journeys" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints one line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"journeys {__version__}\n"


@pytest.mark.slow
def test_help_imports_nothing_heavy() -> None:
    """Each command imports its slow modules when it runs."""
    heavy = "{'aiohttp', 'httpx', 'confluent_kafka', 'pydantic', 'structlog', 'fastavro', 'prometheus_client'}"
    done = run_python("-c", f"import sys, journeys.cli.app; print({heavy} & set(sys.modules))")
    assert done.stdout == "set()\n"


def test_all_wrong_settings_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2 and a line for each, before any connection."""
    monkeypatch.setenv("JOURNEYS_OPS__PORT", "high")
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUPID", "x")
    assert main(["run"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "journeys: JOURNEYS_KAFKA__GROUPID: no such setting; did you mean JOURNEYS_KAFKA__GROUP_ID?",
        "journeys: JOURNEYS_OPS__PORT: should be a valid integer, unable to parse string as an integer",
    ]


def test_unknown_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the option."""
    assert main(["run", "--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err
