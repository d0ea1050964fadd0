"""deploy/monitoring: the dashboard is the table's, and its expressions and those of the alerts name what exists."""

from __future__ import annotations

import re
from typing import Final

import pytest
from tests.support import dashboard
from tests.support.runbook import states

from journeys.ops.definitions import COUNTERS, GAUGES, SECONDS, TOTALS, prometheus_name
from journeys.ops.metrics import Metrics

EXPRESSIONS: Final = (
    *dashboard.expressions(),
    *(state.expression for state in states().values() if state.expression is not None),
)
TARGET: Final = {"job", "instance"}
"""Labels that Prometheus gives to every series it scrapes."""


def labels_of_metrics() -> dict[str, set[str]]:
    """Each metric that a scrape of a worker can have, with its labels, and those of Prometheus itself."""
    known = {
        **{prometheus_name(name) + "_total": set(each.labels) for name, each in COUNTERS.items()},
        **{prometheus_name(name) + "_total": set(each.labels) for name, each in TOTALS.items()},
        **{prometheus_name(name): set(each.labels) for name, each in GAUGES.items()},
    }
    for name, each in SECONDS.items():
        known |= {prometheus_name(name) + end: set(each.labels) for end in ("_count", "_sum")}
        known[prometheus_name(name) + "_bucket"] = {*each.labels, "le"}
    for family in Metrics().registry.collect():
        if not family.name.startswith("journeys_"):
            known |= {sample.name: set(sample.labels) for sample in family.samples}
    return {**known, "up": set(), "ALERTS": {"alertname", "alertstate"}}


LABELS: Final = labels_of_metrics()


def test_dashboard_is_that_of_the_table() -> None:
    """`python -m tests.support.dashboard` writes the file anew."""
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.dashboard()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    """An alert on another metric never fires, and its panel stays empty."""
    named = re.findall(r"\b((?:journeys|process|python)_\w+|up\b|ALERTS\b)(?:\{([^}]*)\})?", expression)
    assert named
    for metric, matchers in named:
        assert metric in LABELS
        assert set(re.findall(r'(\w+)[=!]~?"', matchers)) <= LABELS[metric] | TARGET
    grouped = {label for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in labels.split(", ")}
    assert grouped <= TARGET.union(*(LABELS[metric] for metric, _ in named))


def test_each_panel_has_a_unit_a_sentence_and_a_title_of_its_own() -> None:
    """A number without them says little to a person on call."""
    panels = [panel for row in dashboard.PANELS.values() for panel in row]
    assert len({panel.title for panel in panels}) == len(panels)
    for panel in panels:
        assert panel.unit
        assert panel.sentence.endswith(".")
        legends = " ".join(panel.queries)
        for label in re.findall(r"{{(\w+)}}", legends):
            assert any(label in expression or label == "instance" for expression in panel.queries.values())
