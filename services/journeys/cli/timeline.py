"""A journey as a table: one event a line."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from journeys.cli.screen import plain
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
            short_time(event.time),
            event.channel,
            event.campaign,
            event.page,
            ", ".join(event.actions),
            event.money,
        )
        table.add_row(*(plain(cell or "") for cell in cells))
    return table


def short_time(time: str | None) -> str:
    """A time as `Event.time` has it, to the minute; a text that is no time stays as it is, shortened."""
    text = time or ""
    is_iso = text.endswith("Z") and text[10:11] == "T"
    return text[:_MINUTES].replace("T", " ") if is_iso else text[:_MINUTES]
