"""`journeys dead-letters list`: a line per letter, and counts by reason."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json

import typer

from journeys.cli.dead_letters import options
from journeys.cli.options import AsJson, ConfigFile, settings_of

EPILOG = (
    "Examples:\n\n"
    "  journeys dead-letters list --since 2h\n\n"
    "  journeys dead-letters list --reason status-400 --reason status-422 --pending\n\n"
    "  journeys dead-letters list --json | jq -r '.[].order'\n\n"
    "Times are UTC. A time filter compares the moment when the order was given up. The topic is read up to its end as "
    "it was when the command began. The state `unknown` marks a letter so old that Kafka may have forgotten its replay."
)


def list_letters(
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
    as_json: AsJson = False,
) -> None:
    """List the letters, the oldest first, and count them by reason."""
    settings = settings_of(config)
    group = None if all_groups else settings.kafka.group_id
    wanted = options.filter_of(
        reasons=reason, stage=stage, order=order, topic=topic, since=since, until=until, group=group
    )

    from journeys.cli import screen
    from journeys.cli.dead_letters import tables
    from journeys.dead_letters.filters import oldest
    from journeys.dead_letters.formats import facts

    with options.open_letters(settings) as letters, screen.progress("reading") as on:
        scan = letters.scan(wanted, on)
    found = options.matching(scan, pending=pending)
    shown = oldest(found, limit)
    if as_json:
        typer.echo(json.dumps([facts(letter) for letter in shown], indent=2))
        return
    out = screen.console()
    tables.letters(out, shown)
    if len(shown) < len(found):
        out.print(f"The {len(shown)} oldest of {len(found)} are shown, all are counted:")
    tables.reasons(out, found, pending=scan.pending)
