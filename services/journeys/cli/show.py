"""`journeys show`: everything that is known of one order."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.options import AsJson, ConfigFile, settings_of, time_ms
from journeys.cli.terminal import complain
from journeys.errors import HaltError, OrderError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from journeys.settings import Settings
    from journeys.tools.show.edition import Edition
    from journeys.tools.show.story import Story

EPILOG = (
    "Examples:\n\n"
    "  journeys show 5154899656917\n\n"
    "  journeys show 5154899656917 --since 2d\n\n"
    "  journeys show 5154899656917 --from-api\n\n"
    "  journeys show 5154899656917 --json | jq .place\n\n"
    "The command reads Kafka alone: no worker has to run, and no group is disturbed. If the order id is the key of a "
    "topic's records, it reads only the key's partition. --everywhere reads all partitions, for topics that were given "
    "more partitions meanwhile. A journey may hold personal data. Exit code 1: the order is nowhere, is a dead letter, "
    "its newest edition is not whole or differs from the API's journey, or the API does not give that journey."
)


def show(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Order id.")],
    *,
    config: ConfigFile = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Look back to TIME only: an ISO time, or an age: 2d."),
    ] = None,
    from_api: Annotated[
        bool, typer.Option("--from-api", help="Show the journey that the API has now, and what differs.")
    ] = False,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Read all partitions of all topics.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where an order is, and its journey."""
    settings = settings_of(config)

    from journeys.cli import screen
    from journeys.tools.show.find import OrderFinder
    from journeys.tools.show.story import Place

    since_ms = time_ms(since, "--since")
    with OrderFinder(settings, everywhere=everywhere, since_ms=since_ms) as finder, screen.progress("reading") as on:
        story = finder.find(order, on)
    story, failure = with_journey(story, settings) if from_api else (story, None)
    if finder.registry_error is not None:
        complain(f"order messages in Avro are known by their keys: {finder.registry_error}")
    if as_json:
        typer.echo(json.dumps(story.as_json(), indent=2))
    else:
        out = screen.console()
        for part in view(story):
            out.print(part, soft_wrap=False)
    if failure is not None:
        raise failure
    is_broken = bool(story.editions and story.editions[0].missing)
    if is_broken or story.differences or story.place in (Place.NOWHERE, Place.DEAD_LETTER):
        raise typer.Exit(1)


def with_journey(story: Story, settings: Settings) -> tuple[Story, HaltError | OrderError | None]:
    """The story with the journey that the API has now. If it gives none, also the error, to report after the story."""
    from journeys.library import fetch_journey
    from journeys.tools.show.from_api import as_edition

    try:
        api = as_edition(settings, asyncio.run(fetch_journey(story.order, settings)))
    except (HaltError, OrderError) as failure:
        return story, failure
    return replace(story, api=api), None


def view(story: Story) -> Iterator[RenderableType]:
    """A story for people."""
    from rich.table import Table
    from rich.text import Text

    from journeys.cli.screen import plain
    from journeys.cli.timeline import timeline

    lines = list(_lines(story))
    zone = (" (times are UTC)", "dim") if lines else ""
    yield Text.assemble("Order ", (plain(story.order).plain, "bold"), ": ", (_PLACES[story.place.value], "bold"), zone)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(label, plain(text))
    yield grid
    if story.timeline:
        yield ""
        newest = "Journey of the newest edition" if story.api is None else "Journey that the API has now"
        yield timeline(story.timeline, newest)
    if story.api is not None and story.editions:
        yield from (plain(line) for line in _differences(story))
    yield Text("\n".join(["Read:", *(f"  {line}" for line in _looked(story))]), style="dim")


_PLACES = {
    "published": "published",
    "dead-letter": "a dead letter",
    "retry": "waits to be tried again",
    "open": "not published yet",
    "gone": "read by the workers, but Kafka no longer has what became of it",
    "nowhere": "not found",
}


def _lines(story: Story) -> Iterator[tuple[str, str]]:
    """The findings in the order of time, each with its label."""
    from journeys.cli.screen import time_of
    from journeys.headers import RetryHeader
    from journeys.tools.show.story import replay_command

    for received in story.received:
        due = "" if received.due_ms is None else f"; waits until {time_of(received.due_ms)} (JOURNEYS_ORDERS__SETTLE)"
        state = "not published yet" if received.open else "done"
        yield "received", f"{time_of(received.message.timestamp_ms)}  {received.edition}  {state}{due}"
    for retry in story.retries:
        due = "" if retry.due_ms is None else f", next try at {time_of(retry.due_ms)}"
        attempt = retry.message.number(RetryHeader.ATTEMPT)
        state = f"waits{due}" if retry.open else "done"
        at = time_of(retry.message.timestamp_ms)
        yield "retry", f"{at}  {retry.message.position}  {retry.reason}, attempt {attempt}: {state}"
    for letter in story.letters:
        yield "dead letter", f"{time_of(letter.at_ms)}  {letter.position}  {letter.reason}: {letter.state.value}"
        if letter.text:
            yield "", letter.text
        if (command := replay_command(letter)) is not None:
            yield "", f"send it again: {command}"
    for edition in story.editions:
        yield "published", _edition(edition)


def _edition(edition: Edition) -> str:
    from journeys.cli.screen import some, time_text
    from journeys.tools.event import amount, time_of

    facts = edition.facts()
    counts = ", ".join(f"{channel} {count}" for channel, count in sorted(facts["events"].items()) if count)
    missing = "; ".join(
        f"{channel}: {abs(count)} {'missing' if count > 0 else 'too many'}"
        for channel, count in edition.missing.items()
    )
    whole = f"NOT whole ({missing})" if missing else "whole"
    total = edition.summary["order_total"]
    money = "" if total is None else f"; {amount(total)} {edition.summary['order_currency'] or ''}".rstrip()
    events = some(sum(facts["events"].values()), "event") + (f" ({counts})" if counts else "")
    notes = "".join(
        f"; {text}"
        for text, holds in (
            (f"{facts['rejected']} rejected", facts["rejected"]),
            (f"{facts['misfits']} misfits", facts["misfits"]),
            ("not consistent", not facts["consistent"]),
            ("no conversion seen", not facts["conversion_seen"]),
        )
        if holds
    )
    at = time_text(time_of(edition.summary["fetched_at"]))
    return f"{at}  edition {edition.name}  {whole}: {events}{money}{notes}"


def _differences(story: Story) -> Iterator[str]:
    if not story.differences:
        yield "The newest edition and the API's journey are the same."
    for each in story.differences:
        what = {
            "changed": f"changed in {', '.join(each.fields)}",
            "only-published": "is only in the newest edition",
            "only-at-the-api": "is only at the API",
        }[each.kind]
        yield f"Event {each.position} ({each.channel}) {what}."


def _looked(story: Story) -> Iterator[str]:
    """A line for each topic: the partitions that the command read, and the time of the oldest record."""
    from journeys.cli.screen import some, time_of

    for each in story.looked:
        numbers = ", ".join(str(number) for number in each.partitions)
        where = "all partitions" if len(each.partitions) == each.of else f"partition {numbers} of {each.of}"
        since = "" if each.since_ms is None else f", back to {time_of(each.since_ms)}"
        yield f"{each.topic}: {where}, {some(each.records, 'record')}{since}"
