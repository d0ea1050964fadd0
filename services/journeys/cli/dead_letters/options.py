"""Shared by the commands for dead letters: the options that choose letters, and opening the topic."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.options import now_ms, time_ms
from journeys.cli.terminal import complain

if TYPE_CHECKING:
    from journeys.dead_letters.filters import Filter
    from journeys.dead_letters.letters import Letter
    from journeys.dead_letters.scan import Scan
    from journeys.dead_letters.topic import DeadLetterTopic
    from journeys.settings import Settings

Reasons = Annotated[
    list[str] | None, typer.Option("--reason", metavar="REASON", help="Only with this reason; may be repeated.")
]
Stage = Annotated[str | None, typer.Option("--stage", help="Only from this stage: message, fetch or publish.")]
OrderId = Annotated[str | None, typer.Option("--order", metavar="ID", help="Only of this order.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only those whose order message came from this topic.")]
AllGroups = Annotated[bool, typer.Option("--all-groups", help="Also those of other consumer groups.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Given up at or after TIME: an ISO time, or an age: 2h.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Given up before TIME: an ISO time, or an age: 2h.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the N oldest of them.")]
Pending = Annotated[bool, typer.Option("--pending", help="Only those that were not replayed.")]


@contextmanager
def open_letters(settings: Settings) -> Iterator[DeadLetterTopic]:
    """The dead-letter topic of these settings. At the end, warn if the schema registry was needed and not reached."""
    from journeys.dead_letters.topic import DeadLetterTopic

    with DeadLetterTopic(settings, now_ms=now_ms()) as topic:
        yield topic
        if topic.registry_error is not None:
            complain(f"orders in Avro are named by their keys: {topic.registry_error}")


def filter_of(
    *,
    reasons: list[str] | None,
    stage: str | None,
    order: str | None,
    topic: str | None,
    since: str | None,
    until: str | None,
    group: str | None,
) -> Filter:
    """The filter of these options; without `group`, letters of all groups match.

    Raises BadParameter for a time that cannot be read.
    """
    from journeys.dead_letters.filters import Filter

    return Filter(
        reasons=frozenset(reasons or ()),
        stage=stage,
        order=order,
        topic=topic,
        group=group,
        since_ms=time_ms(since, "--since"),
        until_ms=time_ms(until, "--until"),
    )


def matching(scan: Scan, *, pending: bool) -> list[Letter]:
    """The letters of a scan; with `pending`, only those that were not replayed."""
    from journeys.dead_letters.letters import State

    return [letter for letter in scan.letters if not (pending and letter.state is State.REPLAYED)]
