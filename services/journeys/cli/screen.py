"""Shared by all commands that print: tables on stdout, progress on stderr, colours only on a terminal.

Text from outside may hold anything, also line breaks and terminal codes: these are escaped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from journeys.cli.terminal import shortened
from journeys.clock import iso

_NO_LIMIT = 10_000
"""Columns of output that has no width: a program reads it line by line."""


def console() -> Console:
    """Standard output, as wide as its terminal. Without a terminal a row is one line, unless COLUMNS gives a width."""
    out = Console(highlight=False)
    has_width = out.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return out if has_width else Console(highlight=False, width=_NO_LIMIT)


@contextmanager
def progress(title: str, *, shown: bool = True) -> Iterator[Callable[[int, int], object]]:
    """A bar on stderr while the block runs, if that is a terminal. Yields a function to call with (done, total)."""
    err = Console(stderr=True, highlight=False)
    if not (err.is_terminal and shown):
        yield lambda _done, _total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # With redirection, rich would write the command's stdout to stderr, beside the bar.
    with Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(
    out: Console, head: Sequence[str], rows: Sequence[Sequence[Any]], *, totals: Sequence[Any] | None = None
) -> None:
    """Names on the left, numbers on the right."""
    made = Table(box=SIMPLE_HEAD)
    for index, name in enumerate(head):
        made.add_column(name, justify="right" if index else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    if totals is not None:
        made.add_section()
        made.add_row(*(Text(str(each), style="bold") for each in totals))
    out.print(made)


def some(count: int, what: str) -> str:
    """`1 order`, `1,200 orders`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def time_of(at_ms: int | None) -> str | None:
    """A time in UTC, to the second: `2026-11-25 10:00:00`."""
    at = iso(at_ms)
    return at and time_text(at)


def time_text(at: str) -> str:
    """As `time_of`, from ISO 8601 as `iso` writes it."""
    return at[:19].replace("T", " ")


def event_time(time: str | None, length: int) -> Text:
    """At most `length` characters of an event's time. The API may have sent any text: it is escaped."""
    text = time or ""
    is_iso = text.endswith("Z") and text[10:11] == "T"
    return plain(time_text(text)[:length] if is_iso else text[:length])


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units: `0.4s`, `2m 10s`, `3d 4h`; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    left = round(seconds)
    parts: list[str] = []
    for unit, length_s in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length_s)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0"))


def plain(value: Any) -> Text:
    """Text without terminal codes; a dash for None."""
    if value is None:
        return Text("-")
    text = str(value)
    return Text(text if text.isprintable() else json.dumps(text))


def cell(value: Any) -> Text:
    """As `plain`, shortened for a table."""
    return plain(value if value is None else shortened(str(value)))
