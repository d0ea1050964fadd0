"""`journeys config show`: every setting, its value, where it came from, and what it means."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from journeys.cli.options import AsJson, ConfigFile, loaded

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Look at the settings.")


@app.command(
    "show",
    epilog="Examples:\n\n  journeys config show\n\n"
    "  journeys config show --config journeys.toml --json | jq '.[].value'",
)
def show(
    config: ConfigFile = None,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The reference page, with defaults only.")] = False,
) -> None:
    """Show every setting with its value, its source and its meaning; secrets are hidden."""
    if markdown:
        typer.echo(as_markdown(), nl=False)
        return
    from journeys.settings.listing import rows_of

    found = loaded(config)
    rows = list(rows_of(found.settings, found.sources))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        here = "" if row.effective == row.value else f", here {_text(row.effective)}"
        typer.echo(f"{typer.style(row.variable, bold=True)} = {_text(row.value)}{here}  ({row.source})")
        typer.echo(f"    {row.description}")


def as_markdown() -> str:
    """The text of docs/settings.md: all settings, with defaults and meanings."""
    from journeys.settings import Settings
    from journeys.settings.listing import rows_of

    lines = [
        "# Settings",
        "",
        "`journeys config show --markdown` writes this page from the code. Do not edit it.",
        "",
        "Set a value in the environment, `JOURNEYS_KAFKA__GROUP_ID=journeys`, or in a TOML file (under `[kafka]`:",
        '`group_id = "journeys"`). `--config` or `JOURNEYS_CONFIG` names that file. The environment overrides it.',
        "`journeys config show` prints each value and its source.",
        "",
        "- Durations are `500ms`, `30s`, `1m`, `2h` or `7d`. A bare number is seconds.",
        "- Sizes are `512KiB`, `64MiB` or `1GB`. A bare number is bytes.",
        "- In the environment, an object is JSON, a list is JSON or `a,b`, and an empty value is no value.",
    ]
    for row in rows_of(Settings(), {}):
        group = row.key.partition(".")[0]
        if f"## {group}" not in lines:
            about = (Settings.model_fields[group].annotation.__doc__ or "").strip()
            lines += ["", f"## {group}", "", about, "", "| variable | default | meaning |", "| --- | --- | --- |"]
        default = f"`{_text(row.default)}`" if row.default is not None else "none"
        lines.append(f"| `{row.variable}` | {default} | {row.description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value)
