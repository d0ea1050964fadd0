"""Letters on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from journeys.cli.screen import cell, plain, table, time_of
from journeys.dead_letters.letters import Letter, State

_COLOURS = {State.PENDING: "yellow", State.REPLAYED: "green", State.UNKNOWN: "magenta"}


def letters(out: Console, shown: Sequence[Letter]) -> None:
    """One line per letter."""
    if not shown:
        return
    made = Table(box=SIMPLE_HEAD)
    for name in ("position", "time (UTC)", "reason", "stage", "order", "attempts", "state"):
        made.add_column(name, overflow="fold", justify="right" if name == "attempts" else "left")
    for letter in shown:
        made.add_row(
            f"{letter.position.partition}/{letter.position.offset}",
            plain(time_of(letter.at_ms)),
            cell(letter.reason),
            cell(letter.stage),
            cell(letter.order),
            plain(letter.attempts),
            Text(state(letter), style=_COLOURS[letter.state]),
        )
    out.print(made)


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


def _content(content: Mapping[str, str] | None) -> str | None:
    if content is None:
        return None
    return content["text"] if "text" in content else f"base64 {content['base64']}"
