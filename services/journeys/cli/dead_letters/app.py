"""`journeys dead-letters`: its commands, put together."""

from __future__ import annotations

import typer

from journeys.cli.dead_letters import export, list, replay, resume, show  # noqa: A004 - `list` is a command's name

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Look at orders that could not be published, and send them again.",
    epilog="Usually, in this order:\n\n"
    "  journeys dead-letters list --since 2h\n\n"
    "  journeys dead-letters show 0/17\n\n"
    "  journeys dead-letters replay --reason status-400\n\n"
    "  journeys dead-letters replay --reason status-400 --execute\n\n"
    "  journeys dead-letters resume",
)
app.command("list", epilog=list.EPILOG)(list.list_letters)
app.command("show", epilog=show.EPILOG)(show.show)
app.command("export", epilog=export.EPILOG)(export.export)
app.command("replay", epilog=replay.EPILOG)(replay.replay)
app.command("resume", epilog=resume.EPILOG)(resume.resume)
