"""Letters on the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from journeys.cli.dead_letters import tables
from journeys.dead_letters.letters import Letter, State
from journeys.model import Position


def letter(order: str | None, *, replays: int = 0, state: State = State.PENDING) -> Letter:
    """A letter of this order."""
    return Letter(
        position=Position(topic="dead", partition=3, offset=17),
        at_ms=1_764_064_800_000,
        reason="status-400",
        stage="fetch",
        text=None,
        attempts=1,
        order=order,
        topic=None,
        group=None,
        source=None,
        origin=None,
        replays=replays,
        state=state,
    )


def shown(*letters: Letter, terminal: bool = False) -> str:
    """The printed table of these letters."""
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=terminal, color_system="standard" if terminal else None)
    tables.letters(console, letters)
    return out.getvalue()


def test_letter_is_one_line_without_colours_on_a_pipe() -> None:
    """The line holds position, time, reason, stage, order, attempts and state."""
    line = shown(letter("A-1", replays=2)).splitlines()[3]
    assert " ".join(line.split()) == "3/17 2025-11-25 10:00:00 status-400 fetch A-1 1 pending, after replay 2"
    assert "\x1b" not in line
    assert "\x1b[3" in shown(letter("A-1"), terminal=True)


@pytest.mark.parametrize("order", ["A\x1b[2J", "A\nB", "A\u202eB", "A\u009b2J"])
@pytest.mark.parametrize("terminal", [True, False])
def test_terminal_codes_in_an_order_id_are_escaped(order: str, terminal: bool) -> None:
    """Terminal codes, line breaks and replayed of direction are written out."""
    text = shown(letter(order), terminal=terminal)
    assert order not in text
    assert '"A\\' in text


def test_long_values_are_shortened_in_a_table() -> None:
    """A header may be as long as a record; `show` and --json give all of it."""
    text = shown(letter("A" * 60_000 + "B"))
    assert 1_000 < text.count("A") < 2_000
    assert "B" in text


def test_order_id_is_not_read_as_markup() -> None:
    """Brackets stay brackets; a missing value is a dash."""
    assert "[red]A[/red]" in shown(letter("[red]A[/red]"))
    assert " - " in shown(letter(None))
