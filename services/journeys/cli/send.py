"""`journeys send`: order messages from arguments or a file."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.options import AsJson, ConfigFile, parsed, settings_of
from journeys.cli.signals import stop_on_signals
from journeys.cli.terminal import complain
from journeys.errors import HaltError, SettingsError, SetupError

if TYPE_CHECKING:
    from journeys.settings import Settings
    from journeys.tools.send.checkpoint import Acknowledged
    from journeys.tools.send.order_list import OrderList
    from journeys.tools.send.state_file import StateFile

EPILOG = (
    "Examples:\n\n"
    "  journeys send 5154899656917\n\n"
    "  journeys send --file orders.csv --column order_id --dry-run\n\n"
    "  journeys send --file orders.csv --column order_id --rate 20\n\n"
    "  psql -Atc 'select id from orders' | journeys send --file -\n\n"
    "This is the backfill: a worker publishes the journey of each order, as a new edition. A file holds an id a line, "
    "or a JSON value a line with the id at JOURNEYS_ORDERS__ID_POINTER. Only the id is sent, in a format that the "
    "workers read, with the id as key. After an interruption, --resume sends the rest of the file."
)
_SHOWN = 5
"""The most unreadable lines that an error names."""


def send(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Order ids.", show_default=False)] = None,
    *,
    config: ConfigFile = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the ids from a file; - is stdin.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="The file is CSV, and this column holds the ids.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", metavar="TOPIC", help="Send to this topic; default: the first order topic.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.01, metavar="N", help="At most N orders a second.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run over this file.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out lines that name no order.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send orders to the workers, each id once."""
    settings = settings_of(config)
    if bool(ids) == (file is not None):
        raise typer.BadParameter("name order ids, or a file with --file, and not both", param_hint="ID")
    if column is not None and file is None:
        raise typer.BadParameter("needs --file", param_hint="--column")
    is_a_file = file is not None and str(file) != "-"
    if resume and not is_a_file:
        raise typer.BadParameter(
            "needs --file with a file: the state of its run is kept beside it", param_hint="--resume"
        )
    if settings.orders.format == "avro":
        why = "the workers read Avro only, and this command writes text or JSON"
        raise SettingsError([("JOURNEYS_ORDERS__FORMAT", why)])

    from journeys.tools.send.checkpoint import Acknowledged
    from journeys.tools.send.state_file import StateFile

    to = _topic(settings, topic)
    listed = _listed(settings, ids or [], file, column)
    if listed.unreadable and not skip_unreadable:
        raise HaltError(_unreadable(listed))
    state = StateFile(file) if file is not None and is_a_file else None
    acknowledged = Acknowledged()
    if state is not None:
        acknowledged = parsed(lambda: state.acknowledged(to, listed.orders, resume=resume), "--file")
    before = len(acknowledged)
    _require_topic(settings, to)
    failure = None if dry_run else _send(settings, to, listed.orders, acknowledged, state, rate=rate)
    sent = len(acknowledged) - before
    answer = {
        "topic": to,
        "orders": len(listed.orders),
        "repeated": listed.repeated,
        "blank": listed.blank,
        "unreadable": len(listed.unreadable),
        "sent_before": before,
        "sent": sent,
        "left": len(listed.orders) - before - sent,
        "dry_run": dry_run,
    }
    _show(answer, as_json=as_json)
    if failure is not None:
        if state is not None and state.path.exists():
            complain("the same command with --resume sends the rest")
        raise failure


def _topic(settings: Settings, topic: str | None) -> str:
    """The topic to send to. Raises BadParameter for one that the worker itself writes to."""
    from journeys.dead_letters.plan import Targets

    if topic is None:
        return settings.orders.topics[0]
    parsed(lambda: Targets.of(settings, topic), "--topic")
    if topic not in settings.orders.topics:
        complain(f"warning: workers with these settings do not read {topic} (JOURNEYS_ORDERS__TOPICS)")
    return topic


def _require_topic(settings: Settings, topic: str) -> None:
    from journeys.kafka.admin import KafkaAdmin
    from journeys.kafka.topics import CREATE

    if topic not in KafkaAdmin(settings).topics(topic):
        is_ours = topic in settings.orders.topics
        raise SetupError(f"the topic {topic} is missing", remedy=CREATE if is_ours else None)


def _listed(settings: Settings, ids: list[str], file: Path | None, column: str | None) -> OrderList:
    """The orders of the arguments or of the file. Raises BadParameter for a file that is not as the options say."""
    from journeys.tools.send.order_list import cell_reader, cells, collect, line_reader

    if file is None:
        return collect(enumerate(ids, start=1), line_reader("text", settings.orders.id_pointer))
    if column is None and file.suffix.lower() in (".csv", ".tsv"):
        raise typer.BadParameter(f"{file} needs --column with the name of a column", param_hint="--file")
    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8-sig", newline="") as lines:
            if column is None:
                return collect(enumerate(lines, start=1), line_reader("auto", settings.orders.id_pointer))
            return collect(cells(lines, column), cell_reader())
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8", param_hint="--file") from None
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}", param_hint="--file") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--column") from None


def _unreadable(listed: OrderList) -> str:
    count = len(listed.unreadable)
    lines = "; ".join(f"line {number}: {why}" for number, why in listed.unreadable[:_SHOWN])
    more = "" if count <= _SHOWN else f"; and {count - _SHOWN} more"
    return f"nothing was sent, because some lines name no order ({lines}{more}). --skip-unreadable leaves them out"


def _send(
    settings: Settings,
    topic: str,
    orders: tuple[str, ...],
    acknowledged: Acknowledged,
    state: StateFile | None,
    *,
    rate: float | None,
) -> HaltError | KeyboardInterrupt | None:
    """Send the rest of the orders. Returns the error that ended it early, which is reported after the counts."""
    from journeys.cli import screen
    from journeys.kafka.config import order_producer_config
    from journeys.kafka.writer import OrderWriter
    from journeys.tools.send.checkpoint import digest_of
    from journeys.tools.send.order_value import order_value
    from journeys.tools.send.sending import Sending

    digest = digest_of(orders)

    def save() -> None:
        if state is not None:
            state.save(topic, len(orders), digest, acknowledged)

    with (
        OrderWriter(order_producer_config(settings), topic) as writer,
        screen.progress("sending") as on,
        stop_on_signals() as stopped,
    ):
        try:
            save()
            Sending(
                orders,
                acknowledged,
                value_of=lambda order: order_value(order, settings.orders.format, settings.orders.id_pointer),
                rate=rate,
                on=on,
                save=save,
                stopped=stopped,
            ).run(writer)
        except (HaltError, KeyboardInterrupt) as failure:
            return failure
    if state is not None:
        state.remove()
    return None


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    from journeys.cli import screen

    if as_json:
        typer.echo(json.dumps(answer))
        return
    verb = "would send" if answer["dry_run"] else "sent"
    count = answer["left"] if answer["dry_run"] else answer["sent"]
    notes = [
        f"{answer[name]:,} {text}"
        for name, text in (
            ("sent_before", "sent before"),
            ("repeated", "repeated"),
            ("blank", "blank"),
            ("unreadable", "unreadable"),
        )
        if answer[name]
    ]
    if answer["left"] and not answer["dry_run"]:
        notes.insert(0, f"{answer['left']:,} left")
    typer.echo(
        f"{verb} {screen.some(count, 'order')} to {answer['topic']}" + (f" ({', '.join(notes)})" if notes else "")
    )
