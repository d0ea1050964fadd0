"""A journey as a table."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from journeys.cli.timeline import timeline
from journeys.tools.event import Event

EVENT = Event(
    time="2026-11-25T10:00:07.000Z",
    channel="organic-search",
    campaign="[red]Sommer\x1b[2J",
    page="A page with a long title that goes on and on",
    actions=("looked at products", "viewed the basket"),
    money="1234.50 USD",
    position=0,
)


def shown(event: Event, width: int) -> str:
    """The table of one event."""
    out = io.StringIO()
    Console(file=out, width=width).print(timeline([event], "Order [bold]A-1[/bold]"))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_line_has_time_channel_campaign_page_actions_and_money(width: int) -> None:
    """It fits the terminal; text of others is no markup, and its terminal codes are escaped."""
    text = shown(EVENT, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    assert "Order [bold]A-1[/bold]" in text
    assert all(word in text for word in ("2026-11-25 10:00", "organic-search", "products", "1234.50"))


def test_wide_terminal_has_one_line_for_each_event() -> None:
    """So that programs can cut columns."""
    text = shown(EVENT, 200)
    assert "A page with a long title that goes on and on" in text
    assert "looked at products, viewed the basket" in text
