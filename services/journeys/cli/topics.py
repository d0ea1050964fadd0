"""`journeys topics create`: creates every topic that a worker reads or writes."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
from typing import Annotated

import typer

from journeys.cli.options import AsJson, ConfigFile, parsed, settings_of
from journeys.cli.terminal import complain

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Set up the topics.")


@app.command(
    "create",
    epilog="Examples:\n\n"
    "  journeys topics create --dry-run\n\n"
    "  journeys topics create --partitions 12 --replication-factor 3 --retention 14d\n\n"
    "  journeys topics create --partitions 12 --grow\n\n"
    "You may run it again at any time: without --grow it does not change existing topics.",
)
def create(
    *,
    config: ConfigFile = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1, show_default=False, help="Partitions of each new topic; default: as the topics of events, or 6."
        ),
    ] = None,
    grow: Annotated[
        bool,
        typer.Option("--grow", help="Bring existing topics of events to --partitions. Stop the workers before."),
    ] = False,
    replication_factor: Annotated[int, typer.Option(min=1, help="Copies of each; 3 in production.")] = 1,
    retention: Annotated[str, typer.Option(help="How long Kafka keeps records: 12h, 30d.")] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the command would do, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create the missing topics of orders, retries, dead letters and events."""
    settings = settings_of(config)
    kept_s = parsed(lambda: _retention_s(retention), "--retention")

    from journeys.kafka.admin import KafkaAdmin
    from journeys.kafka.topics import KEYS, misread_topics, plan_topics, required_topics
    from journeys.settings.values import format_duration

    broker = KafkaAdmin(settings)
    plan = plan_topics(
        settings,
        broker.topics(*required_topics(settings)),
        partitions=partitions,
        grow=grow,
        replication_factor=replication_factor,
        retention_ms=int(kept_s * 1000),
    )
    if misread := misread_topics(settings):
        prefix = settings.publish.topic_prefix
        complain(f"warning: consumers that subscribe to {prefix}* would read {', '.join(misread)} as events")
    created = broker.create(plan.create, dry_run=dry_run)
    broker.grow(plan.grow, dry_run=dry_run)
    verb = "would create" if dry_run else "created"
    new = [name for name, is_new in created.items() if is_new]
    old = [*plan.existing, *(name for name, is_new in created.items() if not is_new)]
    if as_json:
        typer.echo(json.dumps({"created": new, "grown": dict(plan.grow), "existing": old, "dry_run": dry_run}))
        return
    counts = {topic.name: topic.partitions for topic in plan.create}
    for name in new:
        typer.echo(f"{verb:<12}  {name}  ({counts[name]} partitions, records are kept for {format_duration(kept_s)})")
    for name, count in plan.grow.items():
        typer.echo(f"{'would grow' if dry_run else 'grew':<12}  {name}  (to {count} partitions)")
    for name in old:
        typer.echo(f"{'exists':<12}  {name}")
    if plan.grow:
        typer.echo(KEYS)


def _retention_s(text: str) -> float:
    """The seconds of a duration with a unit, at least 1 ms. Raises ValueError for any other text."""
    from journeys.settings.values import parse_duration

    if text.strip()[-1:].isdecimal():  # a setting would read seconds; here people more likely mean days
        raise ValueError("must have a unit: 12h, 30d")
    seconds = parse_duration(text)
    if seconds < 0.001:
        raise ValueError("must be 1ms or more: with 0, Kafka keeps no record")
    return seconds
