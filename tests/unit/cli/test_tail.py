"""`journeys tail` on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.cli import main
from journeys.cli.tail import line
from journeys.model import OrderMessage, Position
from journeys.tools.tail.line import PublishedRecord


def test_line_escapes_terminal_codes_and_leaves_empty_parts_out() -> None:
    """An event without a time shows what the API sent."""
    place = Position(topic="journey.email", partition=0, offset=0)
    message = OrderMessage(position=place, key=b"A-1", value=b"", headers=(), timestamp_ms=None)
    value: dict[str, Any] = {
        "order_id": "A-1",
        "event_at": None,
        "event_at_text": "yesterday",
        "event_campaign": "[red]\x1b[2J",
        "actions": [],
        "misfits": [],
        "position": 0,
    }
    shown = line(PublishedRecord(channel="email", message=message, value=value)).plain
    assert shown.split("  ", 1)[0] == "yesterday"
    assert shown.split() == ["yesterday", "email", "A-1", '"[red]\\u001b[2J"']


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["adverts"], "must be among ads, email"), (["--since", "soon"], "--since"), (["--limit", "0"], "--limit")],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any connection."""
    assert main(["tail", *arguments]) == 2
    assert why in " ".join(capsys.readouterr().err.replace("│", " ").split())
