"""The demo's output: live on a terminal, plain lines elsewhere. It never shows an e-mail or IP address."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from journeys.cli.screen import console as stdout
from journeys.cli.timeline import timeline
from journeys.tools.event import Event
from journeys_sandbox.demo.audit import Published, Result


class Step:
    """One running step. Any thread may call `update`."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}
        self.result = ""
        """A note that the final line of the step shows."""

    def update(self, name: str, done: int, total: int | None) -> None:
        """Show the progress of `name`. Totals of 100,000 or more are bytes."""
        amount = _amount(done, total)
        if self._progress is None:
            quarter = done * 4 // total if total else 0
            if quarter > self._quarters.setdefault(name, 0):
                self._quarters[name] = quarter
                self._console.print(f"    {name}: {amount}", markup=False)
            return
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(f"  {name}", total=total, amount=amount)
        self._progress.update(self._tasks[name], completed=done, total=total, amount=amount)


def _amount(done: int, total: int | None) -> str:
    if total is not None and total < 100_000:
        return f"{done} of {total}"
    return f"{done / 1e6:.0f} MB" + (f" of {total / 1e6:.0f} MB" if total else "")


class Screen:
    """Prints the demo's steps, tables and totals."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or stdout()

    def say(self, *lines: str) -> None:
        """Print lines with rich's markup."""
        for line in lines:
            self._console.print(line)

    def raw(self, text: str) -> None:
        """Print text without markup, such as a log."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run a step: it has a live line on a terminal, and a final line with its duration."""
        started = time.monotonic()
        if self._console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[amount]}"),
            )
            with Progress(*columns, console=self._console, transient=True) as progress:
                progress.add_task(title, total=None, amount="")
                step = Step(self._console, progress)
                yield step
        else:
            self._console.print(f"  {title} …")
            step = Step(self._console, None)
            yield step
        note = f", {step.result}" if step.result else ""
        self._console.print(f"[green]✓[/] {title}{note} [dim]({time.monotonic() - started:.1f} s)[/]")

    def channels(self, result: Result) -> None:
        """Print the table of events per channel."""
        table = Table(title="Events per channel, read back from Kafka", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("topic", no_wrap=True)
        table.add_column("in Kafka", justify="right")
        table.add_column("at the API", justify="right")
        table.add_column("event_type as the API wrote it")
        for row in result.rows:
            counts = (str(row.read), str(row.owed))
            table.add_row(f"journey.{row.channel}", *counts, Text(", ".join(row.spellings)))
        table.add_section()
        owed = sum(row.owed for row in result.rows)
        table.add_row("[bold]all[/]", f"[bold]{result.events}[/]", f"[bold]{owed}[/]", "")
        self._console.print(table)

    def timeline(self, events: Sequence[Published]) -> None:
        """Print one order's journey, an event a line. Prints nothing without events."""
        if not events:
            return
        title = f"One journey of many: order {events[0].value['order_id']}"
        self._console.print(timeline([Event.of(event.topic, event.value) for event in events], title))

    def totals(self, result: Result) -> None:
        """Print the totals: orders, summaries, events, and how many are lost or doubled."""
        colour = "green" if result.exact else "red"
        self._console.print(
            f"[bold]{result.orders} orders, {result.summaries} summaries, {result.events} events: "
            f"[{colour}]lost {result.lost}, doubled {result.doubled}[/][/]"
        )
