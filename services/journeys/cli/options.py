"""The options that several commands share, and the settings that they give."""

# ruff: noqa: PLC0415 - heavy parts are imported by the command that needs them

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from journeys.settings import Loaded, Settings

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="TOML file with settings; JOURNEYS_* variables override it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def settings_of(config: Path | None) -> Settings:
    """The settings. Raises SettingsError."""
    return loaded(config).settings


def loaded(config: Path | None, overrides: Mapping[str, str] | None = None) -> Loaded:
    """The settings, with the source of each value. `overrides`: JOURNEYS_ variables that command-line options set.

    Raises SettingsError.
    """
    from journeys.settings import load_with_sources

    return load_with_sources(config, {**os.environ, **(overrides or {})})


def parsed(parse: Callable[[], T], option: str) -> T:
    """The result of `parse`. Its ValueError becomes a BadParameter that names the option or argument."""
    try:
        return parse()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def time_ms(text: str | None, option: str) -> int | None:
    """The time of an option, milliseconds since the epoch. Raises BadParameter for a text that is no time or age."""
    from journeys.settings.values import parse_time

    return None if text is None else parsed(lambda: parse_time(text, now_ms=now_ms()), option)


def now_ms() -> int:
    """The present time, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
