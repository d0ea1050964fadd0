"""The worker's metrics. Names are dotted, as in the logs: `orders.in_hand` is `journeys_orders_in_hand`.

Counting is cheap: a dictionary keeps each resolved label set. Other parts keep some values (lag, orders in hand); a
scrape reads those from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

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

CounterName: TypeAlias = Literal[
    "orders",  # orders that left the worker, in a committed transaction; by outcome
    "orders.skipped",  # order messages with a null value
    "events",  # events published; by channel
    "events.rejected",  # events that are null or no object, published as rejected
    "events.repeated",  # events read more than once and published once
    "journeys.inconsistent",  # journeys published though total and events read disagree
    "misfits",  # field values that did not fit their schema; by field
    "pages",  # pages read
    "pages.extra",  # requests for a page after the last one, since that was full
    "retries",  # orders sent to a retry tier; by tier and reason
    "retries.foreign",  # retries that belong to another group
    "dead_letters",  # orders sent to the dead letters; by reason
    "transactions",  # transactions; by outcome
]
SecondsName: TypeAlias = Literal[
    "request.seconds",  # one HTTP request to the order-event API; by outcome
    "transaction.seconds",  # one transaction, from begin to its end
]
GaugeName: TypeAlias = Literal[
    "lag",  # orders not published yet; by topic and partition
    "orders.in_hand",  # orders admitted and not yet published
    "orders.oldest.seconds",  # how long the oldest of them has been in hand; by topic and partition, 0 for none
    "orders.waiting",  # orders that are not due yet: in a retry tier, or younger than the settle time
    "orders.next_due",  # when the next of them is due, seconds since the epoch; 0 where none waits
    "gate",  # whether the gate is shut, for each reason
    "rate",  # requests per second that may be sent; +Inf without a bound
    "bytes.in_hand",  # memory that they take, about
    "requests.in_flight",  # HTTP requests awaiting an answer
    "commit.age.seconds",  # since the last commit, or since the partition came; by topic and partition
    "partitions",  # partitions assigned to this worker
    "unready",  # whether the worker is not ready, for each reason
    "degraded",  # whether an operator should know of something, for each reason
]
TotalName: TypeAlias = Literal["log.lines.lost"]  # log lines that could not be written, as another part counts them
Labels: TypeAlias = tuple[str, ...]

_COUNTERS: Final[Mapping[CounterName, tuple[str, Labels]]] = {
    "orders": ("Orders that left the worker in a committed transaction.", ("outcome",)),
    "orders.skipped": ("Order messages with a null value.", ()),
    "events": ("Events published.", ("channel",)),
    "events.rejected": ("Events that are null or no object.", ()),
    "events.repeated": ("Events read more than once and published once.", ()),
    "journeys.inconsistent": ("Journeys published though total and events read disagree.", ()),
    "misfits": ("Field values that did not fit their schema, kept as JSON.", ("field",)),
    "pages": ("Pages read from the order-event API.", ()),
    "pages.extra": ("Requests for a page after the last one, because that one was full.", ()),
    "retries": ("Orders sent to a retry tier.", ("tier", "reason")),
    "retries.foreign": ("Records of a retry tier that belong to another consumer group, and were left alone.", ()),
    "dead_letters": ("Orders sent to the dead letters.", ("reason",)),
    "transactions": ("Transactions.", ("outcome",)),
}
_SECONDS: Final[Mapping[SecondsName, tuple[str, Labels]]] = {
    "request.seconds": ("Requests to the order-event API, from start to last byte.", ("outcome",)),
    "transaction.seconds": ("Transactions, from begin to their end.", ()),
}
_GAUGES: Final[Mapping[GaugeName, tuple[str, Labels]]] = {
    "lag": ("Orders not published yet.", ("topic", "partition")),
    "orders.in_hand": ("Orders admitted and not yet published.", ()),
    "orders.oldest.seconds": (
        "How long the oldest order has been in hand, also behind a shut gate; 0 for none in hand.",
        ("topic", "partition"),
    ),
    "orders.waiting": ("Orders that are not due yet: retries, and orders younger than the settle time.", ()),
    "orders.next_due": ("When the next waiting order is due, seconds since the epoch; 0 for none.", ()),
    "gate": ("1 while the gate is shut for this reason: no orders are taken in.", ("reason",)),
    "rate": ("Requests per second that may be sent to the order-event API; +Inf without a bound.", ()),
    "bytes.in_hand": ("Bytes that orders in hand take, about.", ()),
    "requests.in_flight": ("Requests awaiting an answer.", ()),
    "commit.age.seconds": (
        "Seconds since the last commit, or since the partition came; grows where there is nothing to do.",
        ("topic", "partition"),
    ),
    "partitions": ("Partitions assigned to this worker.", ()),
    "unready": ("1 while the worker is not ready for this reason, as /readyz says.", ("reason",)),
    "degraded": ("1 while this reason of /readyz's `degraded` holds: the worker is ready.", ("reason",)),
}
_TOTALS: Final[Mapping[TotalName, str]] = {"log.lines.lost": "Log lines that could not be written."}
_FROM_ZERO: Final[tuple[tuple[CounterName, Labels], ...]] = (
    *(("orders", (outcome,)) for outcome in ("published", "retried", "dead-lettered")),
    *(("transactions", (outcome,)) for outcome in ("committed", "aborted", "unknown")),
)
"""Series that exist from the start, so that Prometheus sees their first increase."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_MOST_SERIES = 500
"""The most label sets of one metric. Later ones count as `other`, because labels may come from outside."""
_INDEX = re.compile(r"(?<=/)\d+(?=/|$)")

Reading: TypeAlias = float | Mapping[Labels, float]
"""The value of a gauge: a number, or one for each label set."""


class Metrics:
    """The metrics of one worker, in a registry of their own. Safe to use from any thread."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        # Without it, each series has a second one, `_created`. The function has no type hints.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(prometheus_name(name), text, labels, registry=self.registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(prometheus_name(name), text, labels, buckets=_BUCKETS, registry=self.registry)
            for name, (text, labels) in _SECONDS.items()
        }
        self._count: dict[CounterName, dict[Labels, Counter]] = {name: {} for name in _COUNTERS}
        self._timer: dict[SecondsName, dict[Labels, Histogram]] = {name: {} for name in _SECONDS}
        self._read = _ReadAtScrape()
        self.registry.register(self._read)
        for name, labels in _FROM_ZERO:
            self.count(name, *labels, by=0)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def count(self, name: CounterName, *labels: str, by: float = 1) -> None:
        """Add to a counter; `labels` in the order of the table above."""
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

    def watch_total(self, name: TotalName, read: Callable[[], float]) -> None:
        """Show as a counter what `read` returns at each scrape: a total that another part counts; as `watch`."""
        self._read.totals[name] = read

    def render(self) -> bytes:
        """The metrics in Prometheus's format. It takes milliseconds, so do not call it on the event loop."""
        return generate_latest(self.registry)


class _ReadAtScrape(Collector):
    """Reads the watched values at the moment of a scrape."""

    def __init__(self) -> None:
        self.gauges: dict[GaugeName, Callable[[], Reading]] = {}
        self.totals: dict[TotalName, Callable[[], float]] = {}

    def collect(self) -> Iterator[Metric]:
        for total, read_total in list(self.totals.items()):
            yield CounterMetricFamily(prometheus_name(total), _TOTALS[total], value=read_total())
        for name, read in list(self.gauges.items()):
            text, labels = _GAUGES[name]
            family = GaugeMetricFamily(prometheus_name(name), text, labels=labels)
            reading = read()
            for key, value in reading.items() if isinstance(reading, Mapping) else [((), reading)]:
                family.add_metric(key, value)
            yield family

    def describe(self) -> Iterable[Metric]:
        """Name no metric, so that registering reads no value."""
        return []


def prometheus_name(name: CounterName | SecondsName | GaugeName | TotalName) -> str:
    """`orders.in_hand` → `journeys_orders_in_hand`; Prometheus adds `_total` to counters itself."""
    return "journeys_" + name.removeprefix("journeys.").replace(".", "_")


def _bounded(known: Mapping[Labels, object], labels: Labels) -> Labels:
    return ("other",) * len(labels) if len(known) >= _MOST_SERIES else labels
