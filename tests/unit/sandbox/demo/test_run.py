"""The parts of the demo that need no Kafka."""

from __future__ import annotations

import io

from rich.console import Console

from journeys_sandbox.demo.run import _show_revenue
from journeys_sandbox.demo.screen import Screen


def test_an_installed_demo_names_the_example() -> None:
    """Only a checkout contains the example. Without it the demo says where it is, and shows no revenue."""
    out = io.StringIO()
    _show_revenue(Screen(Console(file=out, width=80)), None)
    assert "examples/attribution of the repository" in out.getvalue()
