"""`journeys dead-letters show`: one letter with its key, value and headers."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
from typing import Annotated

import typer

from journeys.cli.dead_letters.options import open_letters
from journeys.cli.options import AsJson, ConfigFile, parsed, settings_of

EPILOG = (
    "Examples:\n\n"
    "  journeys dead-letters show 0/17\n\n"
    "  journeys dead-letters show orders.dead-letter/0/17 --json | jq .value\n\n"
    "Key, value and headers belong to the order message and may hold personal data. A header is hidden if its name "
    "says that it is secret. Bytes that are not UTF-8 are shown as base64."
)


def show(
    position: Annotated[
        str,
        typer.Argument(metavar="POSITION", help="partition/offset, as `list` shows it, with or without the topic."),
    ],
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about one letter."""
    settings = settings_of(config)

    from journeys.cli import screen
    from journeys.cli.dead_letters import tables
    from journeys.dead_letters.filters import parse_position
    from journeys.dead_letters.formats import whole

    at = parsed(lambda: parse_position(position, topic=settings.orders.dead_letter), "POSITION")
    with open_letters(settings) as letters:
        letter, message = letters.find(*at)
    shown = whole(letter, message, hide_secrets=True)
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
    else:
        tables.one(screen.console(), shown)
