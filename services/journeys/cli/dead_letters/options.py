"""What the commands for letters share: the options that choose letters, and opening the topic."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from journeys.cli.terminal import harmless

if TYPE_CHECKING:
    from journeys.dead_letters.filters import Filter
    from journeys.dead_letters.scan import Cabinet
    from journeys.settings import Settings

T = TypeVar("T")

Reasons = Annotated[
    list[str] | None, typer.Option("--reason", metavar="REASON", help="Only with this reason; may be repeated.")
]
Stage = Annotated[str | None, typer.Option("--stage", help="Only from this stage: message, fetch or publish.")]
OrderId = Annotated[str | None, typer.Option("--order", metavar="ID", help="Only of this order.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only those whose order message came from this topic.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Not before this: an ISO time, or 2h ago.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this: an ISO time, or 2h ago.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the N oldest of them.")]


@contextmanager
def open_cabinet(settings: Settings) -> Iterator[Cabinet]:
    """All letters of these settings' topic; a registry that was needed and did not answer is told at the end."""
    from journeys.dead_letters.scan import Cabinet

    with Cabinet(settings, now_ms=now_ms()) as cabinet:
        yield cabinet
        if cabinet.silent is not None:
            typer.echo(f"journeys: orders in Avro are named by their keys: {harmless(str(cabinet.silent))}", err=True)


def filter_of(
    *,
    reasons: list[str] | None,
    stage: str | None,
    order: str | None,
    topic: str | None,
    since: str | None,
    until: str | None,
) -> Filter:
    """What the options ask for. Raises BadParameter for a time that is none."""
    from journeys.dead_letters.filters import Filter, moment_ms

    present = now_ms()
    return Filter(
        reasons=frozenset(reasons or ()),
        stage=stage,
        order=order,
        topic=topic,
        since_ms=None if since is None else parsed(lambda: moment_ms(since, now_ms=present), "--since"),
        until_ms=None if until is None else parsed(lambda: moment_ms(until, now_ms=present), "--until"),
    )


def parsed(parse: Callable[[], T], hint: str) -> T:
    """What `parse` returns; its ValueError becomes one about the option or argument `hint`."""
    try:
        return parse()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
