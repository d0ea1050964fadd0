"""docs/metrics.md: every metric of the worker, from `journeys.ops.definitions`.

`python -m tests.support.metric_page` writes the page; a test holds it equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from journeys.ops.definitions import COUNTERS, GAUGES, SECONDS, TOTALS, Definition, prometheus_name

PAGE: Final = Path(__file__).parents[2] / "docs" / "metrics.md"

_HEAD: Final = """\
# Metrics

`python -m tests.support.metric_page` writes this page from the code. Do not edit it.

`GET /metrics` of a worker's ops server gives these metrics in Prometheus's format. A histogram has the series
`…_bucket`, `…_sum` and `…_count`. All values are of this worker: sum them over the workers of a group. Counters start
at 0 with the process. The `process_*` and `python_*` metrics of Prometheus's Python client are there, too.

`journeys_broker_*` and `journeys_producer_queue_*` come from the statistics of librdkafka, each 15 s. The property
`statistics.interval.ms` of `JOURNEYS_KAFKA__CONFIG` sets another interval; 0 turns these metrics off.

A label that comes from outside has at most 500 values; later ones count as `other`. The [runbook](runbook.md) has the
alerts on these metrics.
"""


def page() -> str:
    """The page as it has to be."""
    return _HEAD + "".join(_tables())


def _tables() -> Iterator[str]:
    yield from _table("Counters", "_total", {**_named(COUNTERS), **_named(TOTALS)})
    yield from _table("Histograms", "", _named(SECONDS))
    yield from _table("Gauges", "", _named(GAUGES))


def _named(metrics: Mapping[Any, Definition]) -> dict[str, Definition]:
    return {prometheus_name(name): metric for name, metric in metrics.items()}


def _table(title: str, end: str, metrics: Mapping[str, Definition]) -> Iterator[str]:
    yield f"\n## {title}\n\n| name | labels | unit | value | a change means |\n| --- | --- | --- | --- | --- |\n"
    for name, metric in sorted(metrics.items()):
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        yield f"| `{name}{end}` | {labels} | {metric.unit or 'none'} | {metric.text} | {metric.change} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
