"""`journeys show` on the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.support.order_story import full_story, story

from journeys.cli import main
from journeys.cli.show import view, with_journey
from journeys.errors import OrderError
from journeys.settings import load
from journeys.tools.show.story import Story
from journeys_sandbox.api.server import StandInThread


def shown(found: Story, width: int) -> str:
    """The story as it is printed."""
    out = io.StringIO()
    console = Console(file=out, width=width)
    for part in view(found):
        console.print(part)
    return out.getvalue()


def test_story_names_every_place_with_its_reason_and_what_to_do() -> None:
    """Received, retried, given up, published, and where the command looked."""
    text = " ".join(shown(full_story(), 160).split())
    for part in (
        "orders/0/1 not published yet; waits until 2025-11-25 10:00:01 (JOURNEYS_ORDERS__SETTLE)",
        "status-503, attempt 1: waits, next try at 2025-11-25 10:01:00",
        "dead/0/4 status-400: pending",
        "send it again: journeys dead-letters replay --order 'A 1' --execute",
        "edition orders/0/1 NOT whole (email: 1 missing; rejected: 1 too many): 3 events (ads 1, email 2)",
        "orders: partition 3 of 6, 1,200 records, back to 2025-11-25 10:00:00",
    ):
        assert part in text


@pytest.mark.parametrize("width", [80, 160])
def test_story_fits_the_terminal(width: int) -> None:
    """No line is longer than the terminal is wide."""
    assert max(len(line) for line in shown(full_story(), width).splitlines()) <= width


def test_order_that_is_nowhere_says_so() -> None:
    """In the first line."""
    assert shown(story(), 80).splitlines()[0] == "Order A 1: not found"


def test_story_is_kept_if_the_api_refuses_the_order() -> None:
    """The order may be a dead letter for that reason: the error is reported after the story."""
    with StandInThread() as api:
        settings = load(None, {"JOURNEYS_API__BASE_URL": api.url})
        refused = replace(story(), order="x-400-refused")
        kept, failure = with_journey(refused, settings)
        assert kept == refused
        assert isinstance(failure, OrderError)
        assert failure.reason == "status-400"
        found, failure = with_journey(replace(story(), order="n3-given"), settings)
        assert failure is None
        assert len(found.timeline) == 3


def test_wrong_time_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any connection."""
    assert main(["show", "A-1", "--since", "soon"]) == 2
    assert "--since" in capsys.readouterr().err
