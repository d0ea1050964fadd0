"""`journeys doctor`: checks everything that a worker needs, before one runs."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli import consent
from journeys.cli.options import AsJson, ConfigFile, loaded
from journeys.cli.terminal import complain
from journeys.errors import HaltError

if TYPE_CHECKING:
    from rich.console import Console

    from journeys.doctor.report import Report, Result
    from journeys.settings import Loaded

EPILOG = (
    "Examples:\n\n"
    "  journeys doctor\n\n"
    "  journeys doctor --only-problems --strict\n\n"
    "  journeys doctor --fix\n\n"
    "  journeys doctor --json | jq '.checks[] | select(.status == \"fail\")'\n\n"
    "It changes nothing, except with --fix. It sends one request to the API, for the order `journeys-probe`, and "
    "begins and ends a transaction without a record. Exit code 1 after a failed check. A check that needs a failed one "
    "is skipped."
)

_NARROWEST = 20
"""The fewest columns of a detail, on however narrow a terminal."""


def doctor(
    *,
    config: ConfigFile = None,
    only_problems: Annotated[
        bool, typer.Option("--only-problems", help="Show only warnings and failed checks.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 after a warning, too.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Create missing topics and register missing schemas, after asking.")
    ] = False,
    yes: consent.Yes = False,
    as_json: AsJson = False,
) -> None:
    """Check everything that a worker needs, before one runs: one line a check, with what to do."""
    if yes and not fix:
        raise typer.BadParameter("needs --fix", param_hint="--yes")
    if fix:
        consent.require_consent("--fix", yes=yes)
    found = loaded(config)
    report = examined(found)
    # Programs read stdout, so the output of the two commands must not be there.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        is_changed = fix and _mend(report, config, yes=yes)
    if is_changed:
        report = examined(found)
    if as_json:
        typer.echo(json.dumps(report.as_json(only_problems=only_problems)))
    else:
        from journeys.cli import screen

        show(screen.console(), report, report.problems if only_problems else report.results)
    raise typer.Exit(report.exit_code(strict=strict))


def examined(found: Loaded) -> Report:
    """The report on these settings. Shows a bar meanwhile."""
    from journeys.cli import screen
    from journeys.doctor.checks import all_checks
    from journeys.doctor.examine import examine
    from journeys.doctor.facts import Facts

    checks = all_checks(found.settings, found.sources, Facts(found.settings))
    with screen.progress("checking") as on:
        return examine(checks, on=on)


def _mend(report: Report, config: Path | None, *, yes: bool) -> bool:
    """Create topics and register schemas, if some are missing and the user agrees. Returns whether it did something."""
    from journeys.cli import schemas, topics
    from journeys.doctor.fixes import copies_of_missing_topics, has_missing_schemas

    fixes: list[tuple[str, Callable[[], object]]] = []
    if (copies := copies_of_missing_topics(report)) is not None:
        command = f"journeys topics create --replication-factor {copies}"
        fixes.append((command, lambda: topics.create(config=config, replication_factor=copies)))
    if has_missing_schemas(report):
        fixes.append(("journeys schemas register", lambda: schemas.register(config=config)))
    agreed = [fix for command, fix in fixes if consent.agreed(f"Run `{command}`?", yes=yes)]
    for fix in agreed:
        try:
            fix()
        except HaltError as error:  # the report says what is still wrong
            complain(str(error))
    return bool(agreed)


def show(out: Console, report: Report, shown: Sequence[Result]) -> None:
    """Print these results of the report, a line each if they fit, and how many checks ended with each status."""
    from rich.text import Text

    from journeys.cli import screen
    from journeys.doctor.report import Status

    styles = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.SKIPPED: "dim"}
    words = {status: "FAIL" if status is Status.FAIL else status.value for status in Status}
    before = max(len(word) for word in words.values()) + 2
    indent = before + max(len(result.title) for result in report.results) + 2
    for result in shown:
        remedies = [Text.assemble(("try: ", "bold"), screen.plain(remedy)) for remedy in result.remedies]
        lines = [
            line
            for text in (screen.plain(result.finding.detail), *remedies)
            for line in text.wrap(out, max(_NARROWEST, out.width - indent))
        ]
        head = Text.assemble((f"{words[result.status]:<{before}}", styles[result.status]), result.title)
        head.pad_right(indent - len(head))
        for number, line in enumerate(lines):
            line.rstrip()
            out.print(Text.assemble(Text(" " * indent) if number else head, line), soft_wrap=True)
    counts = ", ".join(f"{count} {words[status]}" for status, count in report.counts.items() if count)
    out.print(f"{len(report.results)} checks: {counts}", style="bold")
