"""deploy/monitoring/grafana.json: the table of panels below as a dashboard for Grafana.

`python -m tests.support.dashboard` writes the file; a test holds it equal to the table. The file has the classic
format, which Grafana 10 and later import (README of grafana-foundation-sdk). The SDK's newer format needs Grafana 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders.common import VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

FILE: Final = Path(__file__).parents[2] / "deploy" / "monitoring" / "grafana.json"

_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLUMNS: Final = 3
_WIDTH: Final = 24 // _COLUMNS
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram."""

    title: str
    unit: str
    """As Grafana names units; `suffix: orders/s` writes the text behind the number."""
    sentence: str
    """The meaning of the numbers, for the reader of the dashboard."""
    queries: Mapping[str, str]
    """The legend of each expression, with `{{label}}` for the value of a label."""


def _quantiles(metric: str, matchers: str = "") -> Mapping[str, str]:
    """The times within which 50, 95 and 99 % of the observations of a histogram are."""
    buckets = f"sum by (le) (rate({metric}_bucket{matchers}[$__rate_interval]))"
    shares = {"50 %": 0.5, "95 %": 0.95, "99 %": 0.99}
    return {f"{name} within": f"histogram_quantile({share}, {buckets})" for name, share in shares.items()}


def _last_hour(metric: str, label: str) -> str:
    """The increase by a label whose values are not known beforehand: a series begins with its first increase."""
    return f"sum by ({label}) (increase({metric}[1h]) > 0 or {metric} unless {metric} offset 1h)"


PANELS: Final[Mapping[str, tuple[Panel, ...]]] = {
    "Is it working?": (
        Panel(
            "Workers",
            "suffix: workers",
            "The workers that answered the last scrape, and all that Prometheus knows.",
            {"answer": 'sum(up{job="journeys"})', "known": 'count(up{job="journeys"})'},
        ),
        Panel(
            "Orders published",
            "suffix: orders/s",
            "All events of these orders are in committed transactions.",
            {"published": 'sum(rate(journeys_orders_total{outcome="published"}[$__rate_interval]))'},
        ),
        Panel(
            "Alerts",
            "suffix: alerts",
            "Each alert that fires has a section in docs/runbook.md.",
            {"{{alertname}}": 'count by (alertname) (ALERTS{alertname=~"Journeys.+",alertstate="firing"})'},
        ),
        Panel(
            "Workers that publish nothing",
            "suffix: workers",
            "The workers that publish no orders, by the reason of /readyz; 0 if all is well.",
            {"{{reason}}": "sum by (reason) (journeys_unready)"},
        ),
        Panel(
            "Workers with a warning",
            "suffix: workers",
            "These workers publish, and `degraded` of /readyz names the reason.",
            {"{{reason}}": "sum by (reason) (journeys_degraded)"},
        ),
        Panel(
            "Partitions",
            "suffix: partitions",
            "Each worker reads this many partitions of orders and retries; a change is a rebalance.",
            {"{{instance}}": "journeys_partitions"},
        ),
        Panel(
            "Rebalances of the last hour",
            "suffix: rebalances",
            "They follow each start and stop of a worker; `lost` means that Kafka did not hear from a worker in time.",
            {"{{change}}": "sum by (change) (increase(journeys_rebalances_total[1h]))"},
        ),
        Panel(
            "Releases",
            "suffix: workers",
            "The workers by release and encoder; the encoder `python` is much slower than `c`.",
            {"{{version}} {{encoder}}": "count by (version, encoder) (journeys_info)"},
        ),
        Panel(
            "Processors",
            "percentunit",
            "At 100 % a worker uses one whole processor; start another worker if it stays there.",
            {"{{instance}}": 'rate(process_cpu_seconds_total{job="journeys"}[$__rate_interval])'},
        ),
        Panel(
            "Memory of the process",
            "bytes",
            "The system ends a worker that exceeds the limit of its container.",
            {"{{instance}}": 'process_resident_memory_bytes{job="journeys"}'},
        ),
        Panel(
            "Memory of orders in hand",
            "bytes",
            "Each worker stays below JOURNEYS_ORDERS__MAX_BYTES_IN_HAND.",
            {"{{instance}}": "journeys_bytes_in_hand"},
        ),
    ),
    "How far behind is it?": (
        Panel(
            "Orders that are due",
            "suffix: orders",
            "The workers could publish these orders now; start more workers while this grows and the API allows it.",
            {"due": "sum(journeys_orders_due)"},
        ),
        Panel(
            "Age of the oldest order not published",
            "s",
            "It stays near the settle time, or near 0 without one; more is delay.",
            {"{{topic}}": 'max by (topic) (journeys_lag_seconds{topic!~".*retry.*"})'},
        ),
        Panel(
            "Time from an order to its events",
            "s",
            "From the order message to the commit of its journey, with settling and retries.",
            _quantiles("journeys_order_to_commit_seconds"),
        ),
        Panel(
            "Orders not published",
            "suffix: orders",
            "All orders of the order topics that have no committed transaction yet, also those that settle.",
            {"{{topic}}": 'sum by (topic) (journeys_lag{topic!~".*retry.*"})'},
        ),
        Panel(
            "Orders that wait on purpose",
            "suffix: orders",
            "These orders are not due: they settle, or they are in a retry tier.",
            {"waiting": "sum(journeys_orders_waiting)"},
        ),
        Panel(
            "Next waiting order",
            "s",
            "The next waiting order is due in this time; there is no line if none waits.",
            {"due in": "min(journeys_orders_next_due > 0) - time()"},
        ),
        Panel(
            "Orders in hand",
            "suffix: orders",
            "A worker has begun these orders and has not published them.",
            {"{{instance}}": "journeys_orders_in_hand"},
        ),
        Panel(
            "Oldest order in hand",
            "s",
            "It has been in hand for this time, also while the gate is shut; /readyz has its id.",
            {"{{topic}} {{partition}}": "max by (topic, partition) (journeys_orders_oldest_seconds)"},
        ),
        Panel(
            "Time since the last commit",
            "s",
            "This grows where there is nothing to do; where orders wait, it should stay below a minute.",
            {"{{topic}} {{partition}}": "max by (topic, partition) (journeys_commit_age_seconds)"},
        ),
    ),
    "What fails?": (
        Panel(
            "Orders sent to a retry tier",
            "suffix: orders/s",
            "Several tries failed; the worker tries these orders again after 1 minute, 10 minutes and 1 hour.",
            {"{{tier}} {{reason}}": "sum by (tier, reason) (rate(journeys_retries_total[$__rate_interval]))"},
        ),
        Panel(
            "Dead letters of the last hour",
            "suffix: orders",
            "The worker gave these orders up; `journeys dead-letters list` shows them.",
            {"{{reason}}": _last_hour("journeys_dead_letters_total", "reason")},
        ),
        Panel(
            "Transactions that did not commit",
            "suffix: transactions/s",
            "A worker sends aborted orders again, and reads back the outcome of an unknown or fenced transaction.",
            {
                "{{outcome}}": "sum by (outcome) "
                '(rate(journeys_transactions_total{outcome!="committed"}[$__rate_interval]))'
            },
        ),
        Panel(
            "Values that fit no field, in the last hour",
            "suffix: values",
            "The API sent values of other types than its documentation says; events keep them as JSON.",
            {"{{field}}": f"topk(10, {_last_hour('journeys_misfits_total', 'field')})"},
        ),
        Panel(
            "Oddities of the last hour",
            "suffix: of them",
            "Answers of the API that contradict themselves, and order messages without a value.",
            {
                "items that are no events": "sum(increase(journeys_events_rejected_total[1h]))",
                "events read twice": "sum(increase(journeys_events_repeated_total[1h]))",
                "journeys with a wrong total": "sum(increase(journeys_inconsistent_total[1h]))",
                "messages without a value": "sum(increase(journeys_orders_skipped_total[1h]))",
            },
        ),
        Panel(
            "Log lines lost in the last hour",
            "suffix: lines",
            "A worker could not write them: a full disk, or a closed pipe.",
            {"lost": "sum(increase(journeys_log_lines_lost_total[1h]))"},
        ),
    ),
    "What does the API do?": (
        Panel(
            "Requests",
            "reqps",
            "Each request by its outcome: ok, an HTTP status, or a failure of the connection.",
            {"{{outcome}}": "sum by (outcome) (rate(journeys_request_seconds_count[$__rate_interval]))"},
        ),
        Panel(
            "Time of a good answer",
            "s",
            "From the start of a request to the last byte of its answer.",
            _quantiles("journeys_request_seconds", '{outcome="ok"}'),
        ),
        Panel(
            "Share of failed requests",
            "percentunit",
            "Failures of each kind, also 429; a request that the worker itself cancels is none.",
            {
                "failed": "sum(rate(journeys_request_failures_total[$__rate_interval]))"
                " / sum(rate(journeys_request_seconds_count[$__rate_interval]))"
            },
        ),
        Panel(
            "Workers with a shut gate",
            "suffix: workers",
            "While its gate is shut, a worker sends only probes, and its orders wait.",
            {"{{reason}}": "sum by (reason) (journeys_gate)"},
        ),
        Panel(
            "Requests in flight",
            "suffix: requests",
            "These requests await an answer.",
            {"{{instance}}": "journeys_requests_in_flight"},
        ),
        Panel(
            "Rate that a worker may send at",
            "reqps",
            "It sinks after a 429 and rises again slowly; there is no line while the rate has no bound.",
            {"{{instance}}": "journeys_rate"},
        ),
    ),
    "What does Kafka do?": (
        Panel(
            "Round trip to a broker",
            "s",
            "The average time from a request of a producer to the broker's answer, with the copies to other brokers.",
            {
                "broker {{broker}}": "sum by (broker) "
                "(rate(journeys_broker_round_trip_seconds_total[$__rate_interval]))"
                " / sum by (broker) (rate(journeys_broker_requests_total[$__rate_interval]))"
            },
        ),
        Panel(
            "Records that wait for Kafka",
            "suffix: records",
            "The brokers have not acknowledged them; if a worker does not come back to 0, they are slow or silent.",
            {"{{instance}}": "journeys_producer_queue_records"},
        ),
        Panel(
            "Bytes that wait for Kafka",
            "bytes",
            "The size of these records.",
            {"{{instance}}": "journeys_producer_queue_bytes"},
        ),
    ),
    "What comes out?": (
        Panel(
            "Events",
            "suffix: events/s",
            "Published events by the channel that names their topic.",
            {"{{channel}}": "sum by (channel) (rate(journeys_events_total[$__rate_interval]))"},
        ),
        Panel(
            "Orders",
            "suffix: orders/s",
            "Orders in committed transactions: published, sent to a retry tier, or dead letters.",
            {"{{outcome}}": "sum by (outcome) (rate(journeys_orders_total[$__rate_interval]))"},
        ),
        Panel(
            "Events of an order",
            "suffix: events",
            "The average length of a published journey; a sudden change points to the API.",
            {
                "average": "sum(rate(journeys_events_total[$__rate_interval]))"
                ' / sum(rate(journeys_orders_total{outcome="published"}[$__rate_interval]))'
            },
        ),
        Panel(
            "Transactions",
            "suffix: transactions/s",
            "Each committed transaction holds the orders of up to 100 ms.",
            {"committed": 'sum(rate(journeys_transactions_total{outcome="committed"}[$__rate_interval]))'},
        ),
        Panel(
            "Time of a transaction",
            "s",
            "From its begin to its end; it grows with slow brokers.",
            _quantiles("journeys_transaction_seconds"),
        ),
        Panel(
            "Pages of an order",
            "suffix: pages",
            "The average number of pages that a published journey was read from.",
            {
                "average": "sum(rate(journeys_pages_total[$__rate_interval]))"
                ' / sum(rate(journeys_orders_total{outcome="published"}[$__rate_interval]))'
            },
        ),
    ),
}
"""The panels of each question."""


def expressions() -> Iterator[str]:
    """The expression of every query."""
    for panels in PANELS.values():
        for panel in panels:
            yield from panel.queries.values()


def dashboard() -> str:
    """The file as it has to be."""
    built = (
        Dashboard("journeys")
        .uid("journeys")
        .tags(["kafka"])
        .description("Completed orders in, whole customer journeys out. Do not edit: python -m tests.support.dashboard")
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    numbers = count(1)
    for question, panels in PANELS.items():
        built.with_row(Row(question).id(next(numbers)))
        for panel in panels:
            built.with_panel(_time_series(panel).id(next(numbers)))
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(built.build()) + "\n"


def _time_series(panel: Panel) -> TimeSeries:
    built = (
        TimeSeries()
        .title(panel.title)
        .description(panel.sentence)
        .unit(panel.unit)
        .min(0)
        .datasource(_SOURCE)
        .span(_WIDTH)
        .height(_HEIGHT)
        .fill_opacity(10)
        .legend(
            VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    for letter, (legend, expression) in zip("ABCD", panel.queries.items(), strict=False):
        built.with_target(Dataquery().ref_id(letter).expr(expression).legend_format(legend).range())
    return built


if __name__ == "__main__":
    FILE.write_text(dashboard(), encoding="utf-8")
