"""The runbook as the worker serves it."""

from __future__ import annotations

import re

from journeys.ops import runbook
from journeys.ops.health import ADVICE


def test_each_reason_has_its_section() -> None:
    """The page of a worker links to it."""
    anchors = set(re.findall(r'id="([^"]+)"', runbook.page()))
    assert {advice.section for advice in ADVICE.values()} <= anchors


def test_each_link_leads_somewhere() -> None:
    """Links to other documents are text, because the worker does not serve these."""
    page = runbook.page()
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="([^"]+)"', page)) <= {"/", "/console.css", *(f"#{anchor}" for anchor in anchors)}


def test_text_is_escaped() -> None:
    """HTML in the document stays text."""
    assert "&lt;script&gt;" in runbook.rendered("A <script> and `<b>`")


def test_tables_without_a_head_get_none() -> None:
    """An empty heading says nothing to a screen reader."""
    html = runbook.rendered("| | |\n| --- | --- |\n| log | `api.failing` |\n")
    assert "<thead>" not in html
    assert "<td>log</td>" in html
