"""`journeys dead-letters resume`: workers take orders again after a flood of dead letters."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from journeys.cli.options import AsJson, ConfigFile, parsed, settings_of
from journeys.cli.terminal import complain, harmless
from journeys.errors import HaltError
from journeys.redact import without_credentials

EPILOG = (
    "Examples:\n\n"
    "  journeys dead-letters resume\n\n"
    "  journeys dead-letters resume --url http://worker-1:8080\n\n"
    "After too many dead letters in a row, a worker takes no new orders until an operator resumes it: /readyz names "
    "`flood`. The command also ends a hold (`operator`). Exit code 1 if one of the workers was not reached."
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
    """Let workers take orders again after a flood of dead letters."""
    settings = settings_of(config)

    from journeys.ops.client import address_of, split_address
    from journeys.ops.client import resume as ask

    addresses = url or [address_of(settings.ops)]
    parsed(lambda: [split_address(address) for address in addresses], "--url")  # before any worker is resumed
    token = settings.ops.current_token()
    answers: list[dict[str, Any]] = []
    for address in addresses:
        shown = without_credentials(address)
        try:
            answers.append({"url": shown, "ok": True, "opened": ask(address, token)})
        except HaltError as error:
            answers.append({"url": shown, "ok": False, "error": str(error)})
    if as_json:
        typer.echo(json.dumps(answers))
    for answer in answers:
        if not answer["ok"]:
            complain(answer["error"])
        elif not as_json:
            opened = harmless(", ".join(answer["opened"]))
            typer.echo(f"{answer['url']}: {'goes on, opened: ' + opened if opened else 'was not held up'}")
    if not all(answer["ok"] for answer in answers):
        raise typer.Exit(1)
