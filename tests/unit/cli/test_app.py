"""The command line as a whole: help, version, exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.json_pages import described
from typer.core import TyperGroup
from typer.main import get_command

from journeys import __version__
from journeys.cli import main
from journeys.cli.app import app


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


def commands(command: Any, *before: str) -> Iterator[tuple[str, Any]]:
    """Each command that is no group of others, with its name as a user types it."""
    if isinstance(command, TyperGroup):
        for name, part in command.commands.items():
            yield from commands(part, *before, name)
    else:
        yield " ".join(before), command


COMMANDS = dict(commands(get_command(app), "journeys"))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help needs no settings, no broker and no registry."""
    assert main([*name.split()[1:], "--help"]) == 0
    assert f"Usage: {name} " in capsys.readouterr().out


def test_each_command_that_prints_prints_json_as_the_page_describes() -> None:
    """A worker logs JSON lines, an export is JSON lines, and the demo is for people."""
    with_json = {name for name, command in COMMANDS.items() if "as_json" in {each.name for each in command.params}}
    assert COMMANDS.keys() - with_json == {"journeys run", "journeys dead-letters export", "journeys demo"}
    assert described() == with_json


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
