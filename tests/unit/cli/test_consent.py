"""A command asks only at a terminal."""

from __future__ import annotations

import pytest
import typer

from journeys.cli import consent


def test_no_terminal_means_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user must say --yes then, and is asked nothing."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert not consent.can_ask()
    with pytest.raises(typer.BadParameter, match="--yes"):
        consent.require_consent("--fix", yes=False)
    consent.require_consent("--fix", yes=True)
    assert consent.agreed("really?", yes=True)
