"""`journeys support-bundle`: one file with everything that helps to find a fault, and nothing personal."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import platform
import zipfile
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import journeys
from journeys.cli.doctor import examined
from journeys.cli.options import AsJson, ConfigFile, loaded, parsed
from journeys.cli.terminal import complain
from journeys.errors import HaltError, SetupError

EPILOG = (
    "Examples:\n\n"
    "  journeys support-bundle bundle.zip\n\n"
    "  journeys support-bundle bundle.zip --url http://worker-1:8080 --log worker.log\n\n"
    "The bundle holds the report of `journeys doctor`, all settings, and what you name: the metrics and the state of "
    "workers, and the end of a log. Secrets are hidden, and order ids are replaced by order-1, order-2, and so on. "
    "Look at it before you send it. Exit code 1 if one of the workers was not reached: the bundle goes without its "
    "pages."
)


def support_bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip file to write; it must not exist.")],
    *,
    config: ConfigFile = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", metavar="URL", help="Where a worker listens; may be repeated.")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", metavar="FILE", help="The log of a worker.")] = None,
    lines: Annotated[int, typer.Option("--lines", min=1, metavar="N", help="The most lines of the log.")] = 2000,
    as_json: AsJson = False,
) -> None:
    """Write one file for a report of a fault: checks, settings, metrics, the end of a log. Nothing personal."""
    found = loaded(config)
    if file.exists():
        raise typer.BadParameter(f"{file} exists already", param_hint="FILE")
    ending = [] if log is None else _ending(log, lines)

    from journeys.doctor.bundle import Scrubber
    from journeys.ops.client import split_address
    from journeys.settings.listing import rows_of

    addresses = url or []
    parsed(lambda: [split_address(address) for address in addresses], "--url")
    files = {
        "about.json": json.dumps({"journeys": journeys.__version__, "python": platform.python_version()}),
        "doctor.json": json.dumps(examined(found).as_json(), indent=2),
        "settings.json": json.dumps([asdict(row) for row in rows_of(found.settings, found.sources)], indent=2),
    }
    pages, failures = _pages(addresses)
    scrubber = Scrubber([*pages.values(), *ending])
    files |= {name: scrubber.line(text) if name.endswith(".json") else text for name, text in pages.items()}
    if log is not None:
        files["worker.log"] = "".join(f"{scrubber.line(line)}\n" for line in ending)
    try:
        with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in files.items():
                bundle.writestr(name, text)
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror}") from error
    if as_json:
        typer.echo(json.dumps({"file": str(file), "files": list(files)}))
    else:
        typer.echo(f"{file}: {', '.join(files)}")
    complain(*failures)
    if failures:
        raise typer.Exit(1)


def _ending(log: Path, count: int) -> list[str]:
    """The last lines of a log, without their ends. Raises BadParameter for a file that cannot be read."""
    try:
        with log.open(encoding="utf-8", errors="replace") as opened:
            return [line.rstrip("\n") for line in deque(opened, count)]
    except OSError as error:
        raise typer.BadParameter(f"{log} cannot be read: {error.strerror}", param_hint="--log") from None


def _pages(addresses: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The pages of these workers, by their names in the bundle, and the reason for each worker that did not answer."""
    from journeys.ops.client import page

    found: dict[str, str] = {}
    failures: list[str] = []
    for number, address in enumerate(addresses, 1):
        try:
            found[f"worker-{number}/metrics.txt"] = page(address, "/metrics")
            found[f"worker-{number}/readyz.json"] = page(address, "/readyz")
        except HaltError as error:
            failures.append(str(error))
    return found, failures
