"""`journeys dead-letters replay`: pending letters go back to their order topics, each once."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from journeys.cli import consent
from journeys.cli.dead_letters import options
from journeys.cli.options import AsJson, ConfigFile, parsed, settings_of
from journeys.cli.signals import stop_on_signals
from journeys.cli.terminal import complain
from journeys.errors import HaltError, SetupError

if TYPE_CHECKING:
    from journeys.dead_letters.plan import ReplayPlan
    from journeys.dead_letters.replay import Replay
    from journeys.settings import Settings

EPILOG = (
    "Examples:\n\n"
    "  journeys dead-letters replay --reason status-400\n\n"
    "  journeys dead-letters replay --reason status-400 --execute\n\n"
    "  journeys dead-letters replay --order A-1001 --execute\n\n"
    "  journeys dead-letters replay --stage message --to orders.aside --execute\n\n"
    "Each letter is replayed once, even if the command is stopped and started again: records and positions are "
    "committed in one transaction. Letters that a filter passes over stay pending. A replayed order is a new message "
    "with a new edition and the header `replay-count`. A second replay stops the first."
)


def replay(
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
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TOPIC", help="Send all of them to this topic; asks before it creates the topic."),
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Send the letters; without this, only show the plan.")
    ] = False,
    forgotten: Annotated[
        Literal["replay", "skip"] | None,
        typer.Option(
            help="What to do with letters of unknown state: replay them, or skip them and count them as replayed."
        ),
    ] = None,
    yes: consent.Yes = False,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, hidden=True)] = 500,
    as_json: AsJson = False,
) -> None:
    """Send pending letters back to the topics they came from, exactly once. Without --execute nothing is sent."""
    settings = settings_of(config)
    group = None if all_groups else settings.kafka.group_id
    wanted = options.filter_of(
        reasons=reason, stage=stage, order=order, topic=topic, since=since, until=until, group=group
    )

    from journeys.cli import screen
    from journeys.dead_letters.plan import Targets, plan_replay
    from journeys.dead_letters.replay import Replay, replay_publisher

    targets = parsed(lambda: Targets.of(settings, to), "--to")
    with options.open_letters(settings) as letters:
        new = None if to in letters.existing else to
        # First, so that another replay is fenced and its last transaction has ended before letters are counted.
        publisher = replay_publisher(settings) if execute else None
        with screen.progress("reading") as on:
            plan = plan_replay(
                letters.scan(wanted, on),
                targets,
                existing={*letters.existing, *([] if new is None else [new])},
                limit=limit,
                forgotten=forgotten,
                map_limit=settings.orders.map_limit,
                batch_size=batch_size,
            )
        if publisher is None:
            _show_plan(plan, settings, as_json=as_json)
            if new is not None and plan.letters:
                complain(f"{new} is missing; with --execute, the command asks before it creates the topic")
            return
        if new is not None and plan.letters:
            _create(new, settings, yes=yes)
        with screen.progress("replaying") as on, stop_on_signals() as stopped:
            run = Replay(
                letters=letters,
                publisher=publisher,
                targets=targets,
                map_limit=settings.orders.map_limit,
                batch_size=batch_size,
                on=on,
                stopped=stopped,
            )
            failure = _run(run, plan)
        publisher.discard()
    _show_result(run, plan, as_json=as_json)
    if isinstance(failure, KeyboardInterrupt):
        complain("interrupted within a batch; the same command finds out whether it went out")
    if failure is not None:
        raise failure


def _create(topic: str, settings: Settings, *, yes: bool) -> None:
    """Create a topic to set letters aside, like that of the dead letters.

    Raises SetupError without the user's consent, or if an ACL hides the topic.
    """
    from journeys.kafka.admin import KafkaAdmin
    from journeys.kafka.inspector import Inspector
    from journeys.kafka.topics import set_aside

    broker = KafkaAdmin(settings)
    broker.topics(topic)  # an error if it is hidden
    if not (yes or consent.can_ask()):
        raise SetupError(f"the topic {topic} is missing", remedy="the same command with --yes, which creates the topic")
    like = Inspector(settings).cluster().topics[settings.orders.dead_letter]
    spec = set_aside(topic, partitions=like.partitions, replication_factor=like.replicas)
    kind = f"{spec.partitions} partitions, {like.replicas} copies, records are kept for 30 days"
    if not consent.agreed(f"{topic} is missing. Create it ({kind})?", yes=yes):
        raise SetupError(f"the topic {topic} is missing; nothing was sent")
    broker.create([spec])


def _run(run: Replay, plan: ReplayPlan) -> HaltError | KeyboardInterrupt | None:
    """Replay. Returns the error that ended it early, which is reported after the counts."""
    try:
        run.run(plan)
    except (HaltError, KeyboardInterrupt) as failure:
        return failure
    return None


def _show_plan(plan: ReplayPlan, settings: Settings, *, as_json: bool) -> None:
    from journeys.cli import screen
    from journeys.cli.dead_letters import tables

    count = len(plan.letters)
    if as_json:
        answer = {
            "executed": False,
            "letters": count,
            "reasons": plan.reasons,
            "topics": plan.topics,
            "left": plan.left,
        }
        typer.echo(json.dumps(answer))
        return
    out = screen.console()
    out.print(
        f"{screen.some(count, 'letter')} of {settings.orders.dead_letter} would go out again; nothing was sent.",
        markup=False,
    )
    if count:
        tables.counts(out, "reason", plan.reasons)
        tables.counts(out, "to topic", plan.topics)
    out.print(f"{screen.some(plan.left, 'pending letter')} would be left.")
    if count:
        out.print("To do it: the same command with --execute")


def _show_result(run: Replay, plan: ReplayPlan, *, as_json: bool) -> None:
    from journeys.cli import screen
    from journeys.cli.dead_letters import tables

    done = run.replayed.total()
    left = plan.left + len(plan.letters) - done
    if as_json:
        typer.echo(json.dumps({"executed": True, "letters": done, "reasons": run.replayed, "left": left}))
        return
    out = screen.console()
    out.print(f"Replayed {screen.some(done, 'letter')}; {screen.some(left, 'pending letter')} left.")
    if done:
        tables.counts(out, "reason", run.replayed)
