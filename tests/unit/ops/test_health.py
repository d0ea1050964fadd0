"""Readiness, as reasons."""

from __future__ import annotations

import re
from pathlib import Path

from journeys.ops.health import ADVICE, DEGRADED, UNREADY, Health

ROOT = Path(__file__).parents[3]


def test_worker_is_ready_once_no_reason_is_left() -> None:
    """At first three reasons hold, and each is named."""
    health = Health()
    assert set(health.readiness().unready) == {"starting", "producer", "group"}
    for reason in ("starting", "producer"):
        health.unready(reason, None)
    assert not health.readiness().good
    health.unready("group", None)
    assert health.readiness().good


def test_degraded_worker_is_ready() -> None:
    """It publishes orders; the reason is there for people."""
    health = Health()
    for reason in UNREADY:
        health.unready(reason, None)
    health.degraded("pace", "a pause of 5 s")
    assert health.readiness().good
    assert health.readiness().degraded["pace"].why == "a pause of 5 s"
    health.degraded("pace", None)
    assert health.readiness().degraded == {}


def test_reason_keeps_its_beginning_when_its_text_changes() -> None:
    """The newest text is shown; the time is that of the first one, until the reason is gone."""
    now = [100.0]
    health = Health(wall=lambda: now[0])
    for at, why in ((110.0, "no key"), (120.0, "401"), (130.0, None), (140.0, "403")):
        now[0] = at
        health.unready("auth", why)
        if at == 120.0:
            trouble = health.readiness().unready["auth"]
            assert (trouble.why, trouble.since) == ("401", 110.0)
    assert health.readiness().unready["auth"].since == 140.0


def test_report_does_not_change_afterwards() -> None:
    """Another thread may write it out later."""
    health = Health()
    report = health.readiness()
    health.unready("group", None)
    assert "group" in report.unready


def test_every_reason_has_its_section_in_the_runbook() -> None:
    """The anchor of each advice is a heading of docs/runbook.md."""
    assert set(ADVICE) == {*UNREADY, *DEGRADED}
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert {advice.section for advice in ADVICE.values()} <= anchors


def test_failures_page_has_a_row_for_each_reason() -> None:
    """Each row has the status of /readyz and the meaning for orders."""
    page = (ROOT / "docs/failures.md").read_text()
    for reason in (*UNREADY, *DEGRADED):
        status = "503" if reason in UNREADY else "200, in `degraded`"
        assert f"| `{reason}` | {status} | {ADVICE[reason].orders} |" in page
