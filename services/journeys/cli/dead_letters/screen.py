"""Letters on the terminal: tables on stdout, progress on stderr, colours only on a terminal.

A letter may hold any text, also line breaks and terminal codes: these are escaped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from journeys.cli.terminal import shortened
from journeys.dead_letters.formats import iso
from journeys.dead_letters.letters import Letter, State

_COLOURS = {State.PENDING: "yellow", State.REPLAYED: "green", State.UNKNOWN: "magenta"}
_WIDE = 240
"""Columns of output that is no terminal: a program reads it line by line."""


def console() -> Console:
    """Standard output."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=_WIDE)


@contextmanager
def progress(title: str, *, shown: bool = True) -> Iterator[Callable[[int, int], object]]:
    """A bar on stderr while the block runs, if that is a terminal. Yields a function to call with (done, total)."""
    err = Console(stderr=True, highlight=False)
    if not (err.is_terminal and shown):
        yield lambda _done, _total: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # With redirection, rich would write the command's stdout to stderr, beside the bar.
    with Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def letters(out: Console, shown: Sequence[Letter]) -> None:
    """One line per letter."""
    if not shown:
        return
    table = Table(box=SIMPLE_HEAD)
    for name in ("position", "time (UTC)", "reason", "stage", "order", "attempts", "state"):
        table.add_column(name, overflow="fold", justify="right" if name == "attempts" else "left")
    for letter in shown:
        table.add_row(
            f"{letter.position.partition}/{letter.position.offset}",
            plain(time_of(letter.at_ms)),
            _cell(letter.reason),
            _cell(letter.stage),
            _cell(letter.order),
            plain(letter.attempts),
            Text(state(letter), style=_COLOURS[letter.state]),
        )
    out.print(table)


def state(letter: Letter) -> str:
    """The state of a letter; for an order that failed again after replays, also how many."""
    return letter.state.value + (f", after replay {letter.replays}" if letter.replays else "")


def reasons(out: Console, found: Sequence[Letter], *, pending: int) -> None:
    """Counts of letters by reason and state, with totals. `pending` counts all pending letters of the topic."""
    if not found:
        out.print(f"No letter matches; pending in all: {pending}." if pending else "No letters.")
        return
    counts: dict[str, Counter[State]] = {}
    for letter in found:
        counts.setdefault(letter.reason, Counter())[letter.state] += 1
    states = [each for each in State if any(count[each] for count in counts.values())]
    rows = [(reason, *(counts[reason][each] for each in states), counts[reason].total()) for reason in sorted(counts)]
    columns = [*(each.value for each in states), "letters"]
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    table(out, ("reason", *columns), rows, totals=("all", *sums))


def counts(out: Console, title: str, numbers: Mapping[str, int]) -> None:
    """A table of counts."""
    table(out, (title, "letters"), sorted(numbers.items()))


def table(
    out: Console, head: Sequence[str], rows: Sequence[Sequence[Any]], *, totals: Sequence[Any] | None = None
) -> None:
    """Names on the left, numbers on the right."""
    made = Table(box=SIMPLE_HEAD)
    for index, name in enumerate(head):
        made.add_column(name, justify="right" if index else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    if totals is not None:
        made.add_section()
        made.add_row(*(Text(str(cell), style="bold") for cell in totals))
    out.print(made)


def one(out: Console, letter: Mapping[str, Any]) -> None:
    """A letter as `formats.whole` gives it, a line for each field and header."""
    width = max(len(name) for name in letter)
    for name, value in letter.items():
        if name == "headers":
            continue
        shown = plain(_content(value) if name in ("key", "value") else value)
        out.print(Text.assemble((f"{name:<{width}}  ", "bold"), shown), soft_wrap=True)
    out.print(Text("headers", style="bold"))
    for header in letter["headers"]:
        out.print(Text.assemble("  ", plain(header["name"]), ": ", plain(_content(header["value"]))), soft_wrap=True)


def some(count: int, what: str = "letter") -> str:
    """`1 letter`, `2 letters`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def time_of(at_ms: int | None) -> str | None:
    """A time in UTC, to the second: `2026-11-25 10:00:00`."""
    at = iso(at_ms)
    return at and at[:19].replace("T", " ")


def plain(value: Any) -> Text:
    """Text without terminal codes; a dash for None."""
    if value is None:
        return Text("-")
    text = str(value)
    return Text(text if text.isprintable() else json.dumps(text))


def _cell(value: Any) -> Text:
    """As `plain`, shortened for a table."""
    return plain(value if value is None else shortened(str(value)))


def _content(content: Mapping[str, str] | None) -> str | None:
    if content is None:
        return None
    return content["text"] if "text" in content else f"base64 {content['base64']}"
