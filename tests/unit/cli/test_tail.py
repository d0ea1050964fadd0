"""`journeys tail` on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.cli import main
from journeys.cli.tail import line
from journeys.model import OrderMessage, Position
from journeys.tools.tail.line import PublishedRecord


def shown(**fields: Any) -> str:
    """The line of an event that has neither time nor content."""
    place = Position(topic="journey.email", partition=0, offset=0)
    message = OrderMessage(position=place, key=b"A-1", value=b"", headers=(), timestamp_ms=None)
    value = {"order_id": "A-1", "event_at": None, "actions": [], "misfits": [], "position": 0, **fields}
    return line(PublishedRecord(channel="email", message=message, value=value)).plain


def test_line_escapes_terminal_codes_and_leaves_empty_parts_out() -> None:
    """An event without a time shows what the API sent."""
    text = shown(event_at_text="yesterday", event_campaign="[red]\x1b[2J")
    assert text.split("  ", 1)[0] == "yesterday"
    assert text.split() == ["yesterday", "email", "A-1", '"[red]\\u001b[2J"']
    assert "\x1b" not in shown(event_at_text="\x1b[2J\x1b]0;mineZ"), "a text that ends as a time does"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["adverts"], "must be among ads, email"), (["--since", "soon"], "--since"), (["--limit", "0"], "--limit")],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any connection."""
    assert main(["tail", *arguments]) == 2
    assert why in " ".join(capsys.readouterr().err.replace("│", " ").split())
