"""`journeys dead-letters list | show | export | resume`: orders that could not be published; `replay` is beside."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.dead_letters import replay as letter_replay
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
from journeys.cli.terminal import harmless
from journeys.errors import HaltError
from journeys.redact import without_credentials

if TYPE_CHECKING:
    from journeys.dead_letters.letters import Letter

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Look at orders that could not be published, and send them again.",
    epilog="Usually, in this order:\n\n"
    "  journeys dead-letters list --since 2h\n\n"
    "  journeys dead-letters show 0/17\n\n"
    "  journeys dead-letters replay --reason status-400\n\n"
    "  journeys dead-letters replay --reason status-400 --execute\n\n"
    "  journeys dead-letters resume",
)

Pending = Annotated[bool, typer.Option("--pending", help="Only those that were not replayed.")]


@app.command(
    "list",
    epilog="Examples:\n\n"
    "  journeys dead-letters list --since 2h\n\n"
    "  journeys dead-letters list --reason status-400 --reason status-422 --pending\n\n"
    "  journeys dead-letters list --json | jq -r '.[].order'\n\n"
    "Times are UTC; a filter takes the time at which the order was given up. The topic is read up to where it ended "
    "when the command began. `unknown` is a letter older than Kafka remembers replays.",
)
def list_(
    *,
    config: ConfigFile = None,
    reason: Reasons = None,
    stage: Stage = None,
    order: OrderId = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    pending: Pending = False,
    as_json: AsJson = False,
) -> None:
    """List the letters, the oldest first, and count them by reason."""
    settings = settings_of(config)
    wanted = filter_of(reasons=reason, stage=stage, order=order, topic=topic, since=since, until=until)

    from journeys.cli.dead_letters import screen
    from journeys.dead_letters.filters import oldest
    from journeys.dead_letters.formats import facts

    with open_cabinet(settings) as cabinet, screen.progress("reading") as on:
        survey = cabinet.survey(wanted, on)
    found = _open_only(survey.letters, pending)
    shown = oldest(found, limit)
    if as_json:
        typer.echo(json.dumps([facts(letter) for letter in shown], indent=2))
        return
    out = screen.console()
    screen.letters(out, shown)
    if len(shown) < len(found):
        out.print(f"The {len(shown)} oldest of {len(found)} are shown, all are counted:")
    screen.reasons(out, found, pending=survey.pending)


@app.command(
    "show",
    epilog="Examples:\n\n"
    "  journeys dead-letters show 0/17\n\n"
    "  journeys dead-letters show orders.dead-letter/0/17 --json | jq .value\n\n"
    "Key, value and headers are the order message's own: they may hold personal data. Headers whose name says that "
    "they are secret are hidden. What is not UTF-8 is shown as base64.",
)
def show(
    position: Annotated[
        str,
        typer.Argument(metavar="POSITION", help="partition/offset, as `list` tells it; its topic may stand before."),
    ],
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about one letter."""
    settings = settings_of(config)

    from journeys.cli.dead_letters import screen
    from journeys.dead_letters.filters import place
    from journeys.dead_letters.formats import whole

    at = parsed(lambda: place(position, topic=settings.orders.dead_letter), "POSITION")
    with open_cabinet(settings) as cabinet:
        letter, message = cabinet.find(*at)
    told = whole(letter, message, hide_secrets=True)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        screen.one(screen.console(), told)


@app.command(
    "export",
    epilog="Examples:\n\n"
    "  journeys dead-letters export --until 20d --output letters.jsonl\n\n"
    "  journeys dead-letters export --reason status-400 | jq -r .order\n\n"
    'Lossless: key, value and headers are {"text": …} where they are UTF-8, else {"base64": …}. They are the order '
    "messages' own and may hold personal data; nothing is hidden. Changes nothing.",
)
def export(
    *,
    config: ConfigFile = None,
    reason: Reasons = None,
    stage: Stage = None,
    order: OrderId = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    pending: Pending = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of to stdout.")
    ] = None,
) -> None:
    """Write letters out whole, one JSON object a line."""
    settings = settings_of(config)
    wanted = filter_of(reasons=reason, stage=stage, order=order, topic=topic, since=since, until=until)

    from journeys.cli.dead_letters import screen
    from journeys.dead_letters.filters import oldest
    from journeys.dead_letters.formats import whole

    with open_cabinet(settings) as cabinet:
        with screen.progress("reading") as on:
            found = cabinet.survey(wanted, on)
        chosen = oldest(_open_only(found.letters, pending), limit)
        with _writer(output) as write, screen.progress("writing", shown=output is not None) as on:
            for letter, message in cabinet.fetch(found, chosen, on):
                write(json.dumps(whole(letter, message, hide_secrets=False)) + "\n")
    if output is not None:
        typer.echo(f"{screen.some(len(chosen))} written to {output}", err=True)


app.command("replay", epilog=letter_replay.EPILOG)(letter_replay.replay)


@app.command(
    "resume",
    epilog="Examples:\n\n"
    "  journeys dead-letters resume\n\n"
    "  journeys dead-letters resume --url http://worker-1:8080\n\n"
    "A worker that has given up too many orders in a row stops taking new ones until somebody has looked: "
    "/readyz names `flood`. It ends a hold as well (`operator`). Exit code 1 when one of the workers was not reached.",
)
def resume(
    *,
    config: ConfigFile = None,
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url", metavar="URL", help="Where a worker listens; may be repeated. Default: as JOURNEYS_OPS__*."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell workers to go on after a flood of dead letters."""
    settings = settings_of(config)

    from journeys.ops.client import address_of
    from journeys.ops.client import resume as ask

    answers: list[dict[str, Any]] = []
    for address in url or [address_of(settings.ops)]:
        shown = without_credentials(address)
        try:
            answers.append({"url": shown, "ok": True, "opened": ask(address)})
        except HaltError as error:
            answers.append({"url": shown, "ok": False, "error": str(error)})
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--url") from None
    if as_json:
        typer.echo(json.dumps(answers))
    for answer in answers:
        if not answer["ok"]:
            typer.echo(f"journeys: {harmless(answer['error'])}", err=True)
        elif not as_json:
            opened = harmless(", ".join(answer["opened"]))
            typer.echo(f"{answer['url']}: {'goes on, opened: ' + opened if opened else 'was not held up'}")
    if not all(answer["ok"] for answer in answers):
        raise typer.Exit(1)


def _open_only(letters: Sequence[Letter], pending: bool) -> list[Letter]:
    from journeys.dead_letters.letters import State

    return [letter for letter in letters if not (pending and letter.state is State.REPLAYED)]


@contextmanager
def _writer(output: Path | None) -> Iterator[Callable[[str], object]]:
    if output is None:
        yield sys.stdout.write
        return
    try:
        with output.open("w", encoding="utf-8") as file:
            yield file.write
    except OSError as error:
        raise HaltError(f"cannot write to {output}: {error.strerror}") from None
