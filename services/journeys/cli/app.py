"""The command-line application. Each command imports its heavy parts when it runs, so that `--help` is fast."""

from __future__ import annotations

from typing import Annotated

import typer

import journeys
from journeys.cli import config, demo, doctor, lag, run, schemas, send, show, support_bundle, tail, topics
from journeys.cli.dead_letters.app import app as dead_letters

app = typer.Typer(
    name="journeys",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Completed orders in, whole customer journeys out, exactly once, on Kafka.",
    epilog="First steps:\n\n"
    "  journeys demo                 see it work, with nothing else installed\n\n"
    "  journeys topics create        create the topics\n\n"
    "  journeys schemas register     register the schemas\n\n"
    "  journeys doctor               check everything that a worker needs\n\n"
    "  journeys run                  start a worker; start more to share the work",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"journeys {journeys.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Completed orders in, whole customer journeys out, exactly once, on Kafka."""


app.command("run", epilog=run.EPILOG)(run.run)
app.command("send", epilog=send.EPILOG)(send.send)
app.command("show", epilog=show.EPILOG)(show.show)
app.command("tail", epilog=tail.EPILOG)(tail.tail)
app.command("lag", epilog=lag.EPILOG)(lag.lag)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor)
app.command("support-bundle", epilog=support_bundle.EPILOG)(support_bundle.support_bundle)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(config.app, name="config")
