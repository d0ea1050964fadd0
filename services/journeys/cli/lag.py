"""`journeys lag`: how far behind the workers are."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.options import AsJson, ConfigFile, parsed, settings_of
from journeys.cli.signals import stop_on_signals
from journeys.cli.terminal import complain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from journeys.tools.lag.measure import LagMeter
    from journeys.tools.lag.report import Measurement

EPILOG = (
    "Examples:\n\n"
    "  journeys lag\n\n"
    "  journeys lag --watch\n\n"
    "  journeys lag --json | jq .catch_up_s\n\n"
    "All numbers come from Kafka: no worker has to run. The command measures twice, --every apart, to see how fast the "
    "workers publish. `finished beyond` counts orders that are published although an older one is not. `≤` marks a "
    "partition with too many open orders to count them: transaction markers are among them. Exit code 1 if the group's "
    "offset is out of the range of a topic."
)
_SLICE_S = 0.1


def lag(
    *,
    config: ConfigFile = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Measure again and again, until Ctrl-C.")] = False,
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="The time between two measurements: 500ms, 5s, 1m.")
    ] = "5s",
    as_json: AsJson = False,
) -> None:
    """Show how many orders are not published yet, how old they are, and when the workers will have caught up."""
    settings = settings_of(config)

    from journeys.settings.values import parse_duration
    from journeys.tools.lag import report
    from journeys.tools.lag.measure import LagMeter

    pause_s = parsed(lambda: parse_duration(every), "--every")
    latest: dict[str, Any] = {"problems": []}
    with LagMeter(settings) as meter, stop_on_signals() as stopped:
        reports = (
            report.as_json(settings.kafka.group_id, settings.settle, new, old)
            for new, old in measurements(meter, pause_s, stopped, forever=watch)
        )
        for latest in reports if as_json else _shown(reports, live=watch):
            if as_json:
                typer.echo(json.dumps(latest, indent=None if watch else 2))
    complain(*latest["problems"])
    if latest["problems"]:
        raise typer.Exit(1)


def measurements(
    meter: LagMeter, pause_s: float, stopped: Callable[[], bool], *, forever: bool
) -> Iterator[tuple[Measurement, Measurement | None]]:
    """Each measurement with the one before it. Without `forever`, only the last of two, or the first without orders."""
    old: Measurement | None = None
    new = meter.measure()
    if forever:
        yield new, old
    while forever or any(each.orders for each in new.orders):
        until_s = time.monotonic() + pause_s
        while (left_s := until_s - time.monotonic()) > 0 and not stopped():
            time.sleep(min(left_s, _SLICE_S))
        if stopped():
            break
        old, new = new, meter.measure()
        if not forever:
            break
        yield new, old
    if not forever:
        yield new, old


def _shown(reports: Iterator[dict[str, Any]], *, live: bool) -> Iterator[dict[str, Any]]:
    """Print each report; with `live`, on a terminal, in the place of the one before."""
    from rich.live import Live

    from journeys.cli import screen

    out = screen.console()
    if not (live and out.is_terminal):
        for each in reports:
            out.print(view(each))
            yield each
        return
    with Live(console=out, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as place:
        for each in reports:
            place.update(view(each), refresh=True)
            yield each


def view(report: dict[str, Any]) -> RenderableType:
    """A report for people."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from journeys.cli.screen import cell, duration

    parts: list[RenderableType] = []
    rows = [row for row in report["partitions"] if row["kind"] == "orders"]
    for topic in dict.fromkeys(row["topic"] for row in rows):
        title = Text.assemble((topic, "bold"), ", by partition")
        table = Table(title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, collapse_padding=True)
        table.add_column("no.", justify="right", no_wrap=True)
        table.add_column("watermark", justify="right", no_wrap=True)
        table.add_column("finished\nbeyond", justify="right", no_wrap=True)
        table.add_column("open", justify="right", no_wrap=True)
        table.add_column("oldest open order", overflow="fold")
        table.add_column("age", justify="right", no_wrap=True)
        table.add_column("per\nsecond", justify="right", no_wrap=True)
        table.add_column("caught\nup in", justify="right", no_wrap=True)
        for row in (each for each in rows if each["topic"] == topic):
            table.add_row(
                str(row["partition"]),
                Text("-" if row["watermark"] is None else f"{row['watermark']:,}"),
                f"{row['finished_beyond']:,}",
                Text(_count(row), style="yellow" if row["orders"] else ""),
                cell(row["oldest"] and row["oldest"]["order"]),
                duration(row["lag_s"]),
                _rate(row["published_per_s"]),
                duration(row["catch_up_s"]) if row["orders"] else "-",
            )
        parts.append(table)
    parts.append(Text("\n".join(_sentences(report))))
    return Group(*parts)


def _sentences(report: dict[str, Any]) -> Iterator[str]:
    from journeys.cli.screen import duration, some, time_text

    yield from report["problems"]
    orders = report["orders"]
    if not orders and not report["problems"]:
        yield f"All orders of group {report['group']} are published."
    if orders:
        about = "" if report["exact"] else "At most "
        verb = "is" if orders == 1 else "are"
        age = "" if report["lag_s"] is None else f"; the oldest was written {duration(report['lag_s'])} ago"
        yield f"{about}{some(orders, 'order')} of group {report['group']} {verb} not published{age}."
    if orders and report["published_per_s"] == 0:
        yield "No order was published meanwhile: does a worker run?"
    elif orders and report["published_per_s"] is not None:
        pace = f"{_rate(report['published_per_s'])} published a second, {_rate(report['arrived_per_s'])} arrive"
        end = "no end in sight" if report["catch_up_s"] is None else f"caught up in {duration(report['catch_up_s'])}"
        yield f"{pace}: {end}."
    if orders and report["settle_s"]:
        yield f"An order waits until it is {duration(report['settle_s'])} old (JOURNEYS_ORDERS__SETTLE)."
    if report["retries"]:
        due = "" if report["next_retry"] is None else f"; the next is due at {time_text(report['next_retry'])} UTC"
        yield f"{some(report['retries'], 'order')} in the retry tiers{due}."


def _count(row: dict[str, Any]) -> str:
    return f"{'' if row['exact'] else '≤ '}{row['orders']:,}"


def _rate(per_s: float | None) -> str:
    return "-" if per_s is None else f"{per_s:,.1f}"
