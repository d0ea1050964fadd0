"""`journeys dead-letters export`: letters with their key, value and headers, one JSON object a line."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.dead_letters import options
from journeys.cli.options import ConfigFile, settings_of
from journeys.errors import HaltError

if TYPE_CHECKING:
    from journeys.dead_letters.letters import Letter
    from journeys.model import OrderMessage

EPILOG = (
    "Examples:\n\n"
    "  journeys dead-letters export --until 20d --output letters.jsonl\n\n"
    "  journeys dead-letters export --reason status-400 | jq -r .order\n\n"
    'Lossless: key, value and headers are {"text": …} if they are UTF-8, else {"base64": …}. They belong to the order '
    "message and may hold personal data; nothing is hidden. The topic is not changed."
)


def export(
    *,
    config: ConfigFile = None,
    reason: options.Reasons = None,
    stage: options.Stage = None,
    order: options.OrderId = None,
    topic: options.Topic = None,
    all_groups: options.AllGroups = False,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    pending: options.Pending = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of to stdout.")
    ] = None,
) -> None:
    """Write whole letters, one JSON object a line."""
    settings = settings_of(config)
    group = None if all_groups else settings.kafka.group_id
    wanted = options.filter_of(
        reasons=reason, stage=stage, order=order, topic=topic, since=since, until=until, group=group
    )

    from journeys.cli import screen
    from journeys.dead_letters.filters import oldest

    with options.open_letters(settings) as letters:
        with screen.progress("reading") as on:
            scan = letters.scan(wanted, on)
        chosen = oldest(options.matching(scan, pending=pending), limit)
        with _writer(output) as write, screen.progress("writing", shown=output is not None) as on:
            written = write_all(letters.fetch(scan, chosen, on), write)
    if output is not None:
        typer.echo(f"{screen.some(written, 'letter')} written to {output}", err=True)


def write_all(letters: Iterable[tuple[Letter, OrderMessage]], write: Callable[[str], object]) -> int:
    """Write each letter with its message as a line. Returns how many: retention may have removed some."""
    from journeys.dead_letters.formats import whole

    count = 0
    for letter, message in letters:
        write(json.dumps(whole(letter, message, hide_secrets=False)) + "\n")
        count += 1
    return count


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
