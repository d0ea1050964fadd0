"""A journey as a table: one event a line."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from journeys.cli.screen import event_time, plain
from journeys.tools.event import Event

_MINUTES = len("2026-11-25T10:00")


def timeline(events: Iterable[Event], title: str) -> Table:
    """The events as a table that fits the terminal. The title is plain text."""
    table = Table(title=Text(title), title_justify="left", title_style="", box=SIMPLE_HEAD, collapse_padding=True)
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("channel", no_wrap=True)
    table.add_column("campaign or source", overflow="fold")
    table.add_column("page", overflow="fold")
    table.add_column("on the site", overflow="fold")
    table.add_column("money", justify="right", no_wrap=True)
    for event in events:
        cells = (
            event.channel,
            event.campaign,
            event.page,
            ", ".join(event.actions),
            event.money,
        )
        table.add_row(event_time(event.time, _MINUTES), *(plain(cell or "") for cell in cells))
    return table
