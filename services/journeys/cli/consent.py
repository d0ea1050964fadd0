"""Asks the user before a command changes something. A command never asks without a terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Change it without asking.")]


def can_ask() -> bool:
    """Whether there is a terminal to ask at."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_consent(option: str, *, yes: bool) -> None:
    """Raise BadParameter if `option` needs consent that cannot be asked for."""
    if not (yes or can_ask()):
        raise typer.BadParameter(
            "asks before it changes anything, and there is no terminal: add --yes", param_hint=option
        )


def agreed(question: str, *, yes: bool) -> bool:
    """Whether the user agrees; with `yes`, without a question. The question goes to stderr."""
    return yes or typer.confirm(question, err=True)
