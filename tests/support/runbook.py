"""The states of docs/runbook.md, and whether a worker shows a state as its section promises.

A section has three rows. `log` names the event to search for, and after it the event "at its end". `metric` gives
conditions (`name{label="value"} == 1`). `page` names the reason of /readyz. A worker that has ended shows only
`worker.failed`, with the words after that event.

Exactly one test walks each state of the table on top: it calls a function `walk` or `walk_end` with the state's title.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUNBOOK: Final = Path(__file__).parents[2] / "docs" / "runbook.md"

_ROW = re.compile(r"^\| \[([^]]+)\]\(#([a-z-]+)\) \| (.+?) \| ?(\S*) \| (.*) \|$", re.MULTILINE)
_EVENT = r"`([a-z_]+\.[a-z_]+)`"
_Metrics = Mapping[str, Mapping[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A row of the table on top, and the three rows of its section."""

    title: str
    anchor: str
    alert: str
    lasts: str
    """How long the alert's condition must hold, as in Prometheus; empty if Prometheus cannot see the state."""
    urgent: str
    log: str
    metric: str
    page: str

    @property
    def expression(self) -> str | None:
        """The alert for Prometheus; None if it cannot see the state."""
        found = re.fullmatch("`([^`]+)`", self.alert)
        return found[1] if found else None

    @property
    def event(self) -> str | None:
        """The log event that a person searches for."""
        found = re.search(_EVENT, self.log)
        return found[1] if found else None

    @property
    def failure(self) -> str | None:
        """The words of `worker.failed`; None if they vary, or if the state does not end the worker."""
        found = re.search(r"`worker\.failed`: (?:… )?([^,;…]+)", self.log)
        return found[1].strip() if found else None

    @property
    def unready(self) -> str | None:
        """The reason of /readyz."""
        found = re.match(r'`/readyz`: `"?(\w+)', self.page)
        return found[1] if found else None

    @property
    def degraded(self) -> str | None:
        """The reason in `degraded` of /readyz."""
        found = re.match(r"`/readyz` is 200, with `(\w+)` in `degraded`", self.page)
        return found[1] if found else None

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """The metrics, each with the value of its label, that are 1 in this state."""
        return re.findall(r'(journeys_\w+)\{\w+="([\w-]+)"\} == 1', self.metric)


def states() -> dict[str, State]:
    """All states by their titles, in the order of the table."""
    text = RUNBOOK.read_text(encoding="utf-8")
    found = {}
    for title, anchor, alert, lasts, urgent in _ROW.findall(text):
        section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        assert section is not None, f"no section {title}"
        rows = dict(re.findall(r"^\| (log|metric|page) \| (.+) \|$", section[1], re.MULTILINE))
        found[title] = State(title=title, anchor=anchor, alert=alert, lasts=lasts, urgent=urgent, **rows)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that a running worker shows at one moment."""

    events: Collection[str]
    """The log events so far."""
    unready: Collection[str]
    degraded: Collection[str]
    metrics: _Metrics
    """Name → label values → value."""


def walk(title: str, shown: Shown) -> None:
    """Check that a running worker shows this state as the runbook promises, and no other state that has a reason."""
    state = states()[title]
    assert state.event in shown.events
    assert set(shown.unready) == {state.unready} - {None}
    assert set(shown.degraded) == {state.degraded} - {None}
    assert _holding(shown.metrics) == {(name, why) for name, why in _promised(state) if name in shown.metrics}


def _promised(state: State) -> set[tuple[str, str]]:
    """The gauges of reasons that are 1 in this state."""
    reasons = {("journeys_unready", state.unready), ("journeys_degraded", state.degraded)}
    return {*state.conditions, *((name, reason) for name, reason in reasons if reason is not None)}


def _holding(metrics: _Metrics) -> set[tuple[str, str]]:
    """The gauges of reasons that are 1."""
    gauges = ("journeys_unready", "journeys_degraded", "journeys_gate")
    return {(name, labels[0]) for name in gauges for labels, value in metrics.get(name, {}).items() if value}


def walk_end(title: str, reason: str) -> None:
    """Check that the last line of a worker in this state has the words that the runbook promises."""
    state = states()[title]
    assert "`worker.failed`" in state.log
    assert (state.failure or "") in reason


def stay_healthy(shown: Shown) -> None:
    """Check that no alert of the runbook can fire for a worker, whatever time has passed since its start."""
    assert (set(shown.unready), set(shown.degraded), _holding(shown.metrics)) == (set(), set(), set())
    alerts = " ".join(state.alert for state in states().values())
    for name, label in set(re.findall(r'increase\((journeys_\w+)(?:\{\w+="([\w-]+)"\})?\[', alerts)):
        found = shown.metrics.get(name, {})
        assert sum(value for labels, value in found.items() if not label or label in labels) == 0, name
