"""The picture of the dashboard shows each panel of the table, and no line where Prometheus had no number."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

from tests.support import dashboard
from tests.support.dashboard_picture import picture

PANELS = [panel for row in dashboard.PANELS.values() for panel in row]
RUN: dict[str, Any] = {"start": 0, "end": 100, "step_s": 10, "outage": [20, 40]}


def drawn(values: list[list[Any]]) -> str:
    """A picture in which each expression has one series with these values."""
    answers = {expression: [{"metric": {}, "values": values}] for expression in dashboard.expressions()}
    return picture({**RUN, "answers": answers})


def test_the_panels_stand_in_the_order_of_the_dashboard() -> None:
    """Each with its title; the file is well-formed."""
    svg = drawn([[0, "1"], [10, "2"]])
    ET.fromstring(svg)  # noqa: S314 - our own
    titles = re.findall(r'class="title"[^>]*>([^<]*)<', svg)
    assert [unescape(title) for title in titles] == [panel.title for panel in PANELS]


def test_a_line_ends_where_numbers_are_missing() -> None:
    """It begins anew behind the gap, instead of drawing what was not measured."""
    svg = drawn([[0, "1"], [10, "2"], [20, "NaN"], [30, "3"], [40, "3"], [50, "3"]])
    lines = re.findall(r'<path [^>]*d="([^"]*)"', svg)
    assert len(lines) == len(list(dashboard.expressions()))
    assert {re.sub(r"[^ML]", "", line) for line in lines} == {"MLML"}


def test_a_panel_without_a_number_says_so() -> None:
    """An infinite rate has no place on an axis."""
    assert drawn([[0, "+Inf"]]).count("no line in this run") == len(PANELS)
