"""`journeys run`: runs a worker until SIGTERM or Ctrl-C."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

from typing import Annotated, Literal

import typer

from journeys.cli.options import ConfigFile, loaded
from journeys.errors import JourneysError, SettingsError

EPILOG = (
    "Examples:\n\n"
    "  JOURNEYS_API__KEY_FILE=/run/secrets/key journeys run\n\n"
    "  journeys run --config journeys.toml --log-format json\n\n"
    "After SIGTERM or Ctrl-C the worker commits finished orders and gives the others back: exit code 0. "
    "Exit code 1: it cannot go on, and gives the reason. Exit code 2: it names each wrong setting."
)


def run(
    config: ConfigFile = None,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option(help="Format of log lines; `auto` is console on a terminal and JSON elsewhere."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="The lowest level to write; `debug` has a line for each order."),
    ] = None,
) -> None:
    """Start a worker: read orders, fetch their journeys, publish their events."""
    overrides = {"JOURNEYS_LOGS__FORMAT": log_format, "JOURNEYS_LOGS__LEVEL": log_level}
    found = loaded(config, {name: value for name, value in overrides.items() if value})
    settings = found.settings

    from journeys import logs

    log_output = logs.configure(log_format=settings.logs.format, level=settings.logs.level)
    try:
        from journeys.worker.service import run as work

        code = work(settings, log_output, found.sources)
    except JourneysError as error:
        if log_output.for_people or isinstance(error, SettingsError):
            raise
        logs.log("worker.failed", reason=str(error), remedy=getattr(error, "remedy", None))
        code = 1
    except Exception as error:  # noqa: BLE001 - a defect: logged with its trace
        logs.log("worker.failed", reason="a defect", exc_info=error)
        code = 1
    raise typer.Exit(code)
