"""`journeys dead-letters replay`: letters go back to where they came from, each once."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from journeys.cli.dead_letters.options import (
    Limit,
    OrderId,
    Reasons,
    Since,
    Stage,
    Topic,
    Until,
    filter_of,
    open_cabinet,
    parsed,
)
from journeys.cli.options import AsJson, ConfigFile, settings_of
from journeys.errors import HaltError

if TYPE_CHECKING:
    from journeys.dead_letters.plan import Plan
    from journeys.dead_letters.replay import Replay
    from journeys.settings import Settings

EPILOG = (
    "Examples:\n\n"
    "  journeys dead-letters replay --reason status-400\n\n"
    "  journeys dead-letters replay --reason status-400 --execute\n\n"
    "  journeys dead-letters replay --order A-1001 --execute\n\n"
    "  journeys dead-letters replay --stage message --to orders.aside --execute\n\n"
    "Each letter is replayed once, however often the command is stopped and started again: records and position are "
    "one transaction. Letters that a filter passes over stay pending. A replayed order is a new message: it gets a new "
    "edition, and the header `replay-count`. Of two replays at the same time, the later one goes on."
)


def replay(
    *,
    config: ConfigFile = None,
    reason: Reasons = None,
    stage: Stage = None,
    order: OrderId = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TOPIC", help="Send there instead of where each came from.")
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this, only say what would be done.")
    ] = False,
    forgotten: Annotated[
        Literal["replay", "skip"] | None,
        typer.Option(
            help="Letters of which Kafka has forgotten whether they were replayed: replay them, or count them so."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, hidden=True)] = 500,
    as_json: AsJson = False,
) -> None:
    """Send pending letters back to the topics they came from, exactly once. Without --execute nothing is sent."""
    settings = settings_of(config)
    wanted = filter_of(reasons=reason, stage=stage, order=order, topic=topic, since=since, until=until)

    from journeys.cli.dead_letters import screen
    from journeys.dead_letters.plan import Routing, plan
    from journeys.dead_letters.replay import Replay, replay_publisher

    routing = parsed(lambda: Routing.of(settings, to), "--to")
    with open_cabinet(settings) as cabinet:
        # First of all, so that another replay is fenced and its last transaction settled before letters are counted.
        publisher = replay_publisher(settings) if execute else None
        with screen.progress("reading") as on:
            work = plan(
                cabinet.survey(wanted, on),
                routing,
                existing=cabinet.existing,
                limit=limit,
                forgotten=forgotten,
                map_limit=settings.orders.map_limit,
                batch_size=batch_size,
            )
        if publisher is None:
            _tell_plan(work, settings, as_json=as_json)
            return
        with screen.progress("replaying") as on, _stop_on_signals() as stopped:
            run = Replay(
                store=cabinet.store,
                publisher=publisher,
                routing=routing,
                map_limit=settings.orders.map_limit,
                batch_size=batch_size,
                on=on,
                stopped=stopped,
            )
            failure = _run(run, work)
        publisher.discard()
    _tell_run(run, work, as_json=as_json)
    if isinstance(failure, KeyboardInterrupt):
        typer.echo("journeys: interrupted within a batch; the same command finds out whether it went out", err=True)
    if failure is not None:
        raise failure


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM let the batch under way come to its end; a second one does not."""
    asked = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(run: Replay, work: Plan) -> HaltError | KeyboardInterrupt | None:
    """Replay, and what ended it before its time: it is told after what was done."""
    try:
        run.run(work)
    except (HaltError, KeyboardInterrupt) as failure:
        return failure
    return None


def _tell_plan(work: Plan, settings: Settings, *, as_json: bool) -> None:
    from journeys.cli.dead_letters import screen

    count = len(work.letters)
    if as_json:
        told = {"executed": False, "letters": count, "reasons": work.reasons, "topics": work.topics, "left": work.left}
        typer.echo(json.dumps(told))
        return
    out = screen.console()
    out.print(
        f"{screen.some(count)} of {settings.orders.dead_letter} would go out again; nothing was sent.", markup=False
    )
    if count:
        screen.counts(out, "reason", work.reasons)
        screen.counts(out, "to topic", work.topics)
    out.print(f"{screen.some(work.left, 'pending letter')} would be left.")
    if count:
        out.print("To do it: the same command with --execute")


def _tell_run(run: Replay, work: Plan, *, as_json: bool) -> None:
    from journeys.cli.dead_letters import screen

    done = run.replayed.total()
    left = work.left + len(work.letters) - done
    if as_json:
        typer.echo(json.dumps({"executed": True, "letters": done, "reasons": run.replayed, "left": left}))
        return
    out = screen.console()
    out.print(f"Replayed {screen.some(done)}; {screen.some(left, 'pending letter')} left.")
    if done:
        screen.counts(out, "reason", run.replayed)
