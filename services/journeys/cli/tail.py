"""`journeys tail`: published events as they come."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.options import AsJson, ConfigFile, settings_of, time_ms
from journeys.cli.signals import stop_on_signals
from journeys.cli.terminal import complain

if TYPE_CHECKING:
    from rich.text import Text

    from journeys.tools.tail.line import PublishedRecord

EPILOG = (
    "Examples:\n\n"
    "  journeys tail\n\n"
    "  journeys tail ads email --campaign summer\n\n"
    "  journeys tail --since 2h --misfits --no-follow\n\n"
    "  journeys tail summary --json | jq -r .record.order_id\n\n"
    "Channels: ads, email, social-media, organic-search, referral, influencer, direct, other; also `summary` and "
    "`rejected`. Without one, the events of all channels are shown. Only committed records are read, and no group is "
    "disturbed. Ctrl-C ends the command. Events may hold personal data. Exit code 1 if a record could not be read."
)
_SECONDS = len("2026-11-25T10:00:00")


def tail(
    channels: Annotated[
        list[str] | None, typer.Argument(metavar="CHANNEL", help="Only these channels.", show_default=False)
    ] = None,
    *,
    config: ConfigFile = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Begin at TIME: an ISO time, or an age: 2h.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for new events, or end at the newest one.")
    ] = True,
    order: Annotated[str | None, typer.Option("--order", metavar="ID", help="Only of this order.")] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="TEXT", help="Only if the campaign's name contains TEXT.")
    ] = None,
    misfits: Annotated[bool, typer.Option("--misfits", help="Only with values that did not fit their fields.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="End after N events.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show published events, decoded, one a line."""
    settings = settings_of(config)

    from journeys.cli import screen
    from journeys.producer.channels import Channel
    from journeys.producer.schemas import RECORDS
    from journeys.tools.tail.filters import RecordFilter
    from journeys.tools.tail.records import JourneyTopics

    wanted = channels or list(Channel)
    if unknown := [channel for channel in wanted if channel not in RECORDS]:
        known = ", ".join(RECORDS)
        raise typer.BadParameter(f"{', '.join(unknown)}: must be among {known}", param_hint="CHANNEL")
    since_ms = time_ms(since, "--since")
    unreadable: list[str] = []

    def complain_of(position: str, why: str) -> None:
        unreadable.append(position)
        complain(f"{position} cannot be read: {why}")

    out = screen.console()
    with JourneyTopics(settings, wanted, unreadable=complain_of) as topics, stop_on_signals() as stopped:
        records = topics.records(
            RecordFilter(order=order, campaign=campaign, misfits=misfits),
            since_ms=since_ms,
            follow=follow,
            stopped=stopped,
        )
        if follow and sys.stderr.isatty():
            typer.echo("waiting for events; Ctrl-C ends", err=True)
        for record in islice(records, limit):
            if as_json:
                typer.echo(json.dumps(record.as_json()))
            else:
                out.print(line(record), no_wrap=True, overflow="ellipsis")
            sys.stdout.flush()
    if unreadable:
        raise typer.Exit(1)


def line(record: PublishedRecord) -> Text:
    """A record for people."""
    from rich.text import Text

    from journeys.cli.screen import event_time, plain

    shown = [
        Text(f"{event_time(record.time, _SECONDS).plain:<{_SECONDS}}", style="dim"),
        Text(f"{record.channel:<14}", style="bold"),
        *(plain(part) for part in record.parts() if part),
    ]
    return Text("  ").join(shown)
