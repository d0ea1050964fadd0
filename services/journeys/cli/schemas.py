"""`journeys schemas register | check | export`: the schemas of published records, in the registry and as files."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.options import AsJson, ConfigFile, settings_of
from journeys.cli.terminal import complain
from journeys.errors import SetupError

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Register, check or export the schemas.")


@app.command(
    "register",
    epilog="Examples:\n\n"
    "  journeys schemas register\n\n"
    "  JOURNEYS_REGISTRY__URL=https://registry.example:8081 journeys schemas register\n\n"
    "You may run it again at any time. If a schema is incompatible, the command changes nothing.",
)
def register(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Register missing schemas, and set each subject's compatibility."""
    settings = settings_of(config)

    from journeys.producer import registry

    done = registry.register(settings.registry.url, settings.registry.config, settings.publish.topic_prefix)
    if as_json:
        rows = [
            {"subject": each.subject, "record": each.record, "id": each.schema_id, "created": each.created}
            for each in done
        ]
        typer.echo(json.dumps(rows))
        return
    for each in done:
        verb = "registered" if each.created else "exists"
        typer.echo(f"{verb:<12}  {each.subject}  ({each.record}, id {each.schema_id})")


@app.command(
    "check",
    epilog="Examples:\n\n  journeys schemas check || journeys schemas register\n\n"
    "Changes nothing. Exit code 1 when a worker would refuse to start.",
)
def check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Compare the registry with the schemas of this version."""
    settings = settings_of(config)

    from journeys.producer import registry, schemas

    found = registry.check(settings.registry.url, settings.registry.config, settings.publish.topic_prefix)
    if as_json:
        rows = [
            {
                "subject": each.name,
                "record": each.record,
                "state": each.state.value,
                "id": each.schema_id,
                "compatible": each.compatible,
            }
            for each in found
        ]
        typer.echo(json.dumps(rows))
    else:
        for each in found:
            note = "" if each.compatible else ", incompatible"
            typer.echo(f"{each.state.value:<12}  {each.name}  ({each.record}{note})")
    if any(each.state is not registry.State.OK for each in found):
        if not as_json:
            complain(f"try: {schemas.REMEDY}")
        raise typer.Exit(1)


@app.command(
    "export",
    epilog="Examples:\n\n"
    "  journeys schemas export build/avro\n\n"
    "  java -jar avro-tools.jar compile -string -bigDecimal protocol build/avro/journeys.avpr src\n\n"
    "It needs no registry and no settings. It overwrites files of the same names.",
)
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Target directory; created if missing.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write the schemas as files: an .avsc for each topic, and one Avro protocol (.avpr) to generate code from."""
    from journeys.producer.export import files

    written = []
    for name, text in files().items():
        path = directory / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise SetupError(f"cannot write {path}: {error.strerror}") from error
        written.append(str(path))
    typer.echo(json.dumps(written) if as_json else "\n".join(written))
