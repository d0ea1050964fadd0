"""The worker's metrics, as `definitions` names them.

Counting is cheap: a dictionary keeps each resolved label set. Other parts keep some values (lag, orders in hand); a
scrape reads those from them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from journeys.fetcher.failures import REQUEST_REASONS
from journeys.ops.definitions import (
    COUNTERS,
    GAUGES,
    SECONDS,
    TOTALS,
    CounterName,
    GaugeName,
    Labels,
    SecondsName,
    TotalName,
    prometheus_name,
)

_FROM_ZERO: Final[tuple[tuple[CounterName, Labels], ...]] = (
    *(("orders", (outcome,)) for outcome in ("published", "retried", "dead-lettered")),
    *(("transactions", (outcome,)) for outcome in ("committed", "aborted", "unknown", "fenced")),
    *(("rebalances", (change,)) for change in ("assigned", "revoked", "lost")),
    *(("request.failures", (reason,)) for reason in REQUEST_REASONS),
)
"""Series that exist from the start, so that Prometheus sees their first increase."""

_MOST_SERIES = 500
"""The most label sets of one metric. Later ones count as `other`, because labels may come from outside."""
_INDEX = re.compile(r"(?<=/)\d+(?=/|$)")

Reading: TypeAlias = float | Mapping[Labels, float]
"""A value that is read at a scrape: a number, or one for each label set."""


class Metrics:
    """The metrics of one worker, in a registry of their own. Safe to use from any thread."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        # Without it, each series has a second one, `_created`. The function has no type hints.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(prometheus_name(name), it.text, it.labels, registry=self.registry)
            for name, it in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(prometheus_name(name), it.text, it.labels, buckets=it.buckets, registry=self.registry)
            for name, it in SECONDS.items()
        }
        self._count: dict[CounterName, dict[Labels, Counter]] = {name: {} for name in COUNTERS}
        self._timer: dict[SecondsName, dict[Labels, Histogram]] = {name: {} for name in SECONDS}
        self._read = _ReadAtScrape()
        self.registry.register(self._read)
        for name, labels in _FROM_ZERO:
            self.count(name, *labels, by=0)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def count(self, name: CounterName, *labels: str, by: float = 1) -> None:
        """Add to a counter; `labels` in the order of its definition."""
        known = self._count[name]
        child = known.get(labels)
        if child is None:
            labels = _bounded(known, labels)
            parent = self._counters[name]
            child = known[labels] = parent.labels(*labels) if labels else parent
        child.inc(by)

    def observe(self, name: SecondsName, seconds: float, *labels: str) -> None:
        """Add a duration to a histogram."""
        known = self._timer[name]
        child = known.get(labels)
        if child is None:
            labels = _bounded(known, labels)
            parent = self._histograms[name]
            child = known[labels] = parent.labels(*labels) if labels else parent
        child.observe(seconds)

    def misfit(self, pointer: str) -> None:
        """Count a value that did not fit its field. All places of an array count as one: `/products/*/price`."""
        self.count("misfits", _INDEX.sub("*", pointer))

    def watch(self, name: GaugeName, read: Callable[[], Reading]) -> None:
        """Show as a gauge what `read` returns at each scrape; any thread may call it, so it must not block or raise."""
        self._read.gauges[name] = read

    def watch_total(self, name: TotalName, read: Callable[[], Reading]) -> None:
        """Show as a counter what `read` returns at each scrape: a total that another part counts; as `watch`."""
        self._read.totals[name] = read

    def totals(self, name: CounterName) -> dict[Labels, float]:
        """The values of a counter, by their labels."""
        samples = [sample for family in self._counters[name].collect() for sample in family.samples]
        return {tuple(sample.labels.values()): sample.value for sample in samples if sample.name.endswith("_total")}

    def distribution(self, name: SecondsName) -> dict[float, float]:
        """How many durations were at most so many seconds, by that bound, over all labels."""
        found: defaultdict[float, float] = defaultdict(float)
        for family in self._histograms[name].collect():
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    found[float(sample.labels["le"])] += sample.value
        return dict(found)

    def render(self) -> bytes:
        """The metrics in Prometheus's format. It takes milliseconds, so do not call it on the event loop."""
        return generate_latest(self.registry)


class _ReadAtScrape(Collector):
    """Reads the watched values at the moment of a scrape."""

    def __init__(self) -> None:
        self.gauges: dict[GaugeName, Callable[[], Reading]] = {}
        self.totals: dict[TotalName, Callable[[], Reading]] = {}

    def collect(self) -> Iterator[Metric]:
        for total, read in list(self.totals.items()):
            it = TOTALS[total]
            yield _filled(CounterMetricFamily(prometheus_name(total), it.text, labels=it.labels), read())
        for name, read in list(self.gauges.items()):
            it = GAUGES[name]
            yield _filled(GaugeMetricFamily(prometheus_name(name), it.text, labels=it.labels), read())

    def describe(self) -> Iterable[Metric]:
        """Name no metric, so that registering reads no value."""
        return []


def _filled(family: CounterMetricFamily | GaugeMetricFamily, reading: Reading) -> Metric:
    """The family with the value of each label set."""
    for labels, value in reading.items() if isinstance(reading, Mapping) else [((), reading)]:
        family.add_metric(labels, value)
    return family


def _bounded(known: Mapping[Labels, object], labels: Labels) -> Labels:
    return ("other",) * len(labels) if len(known) >= _MOST_SERIES else labels
