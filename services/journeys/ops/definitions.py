"""Every metric of the worker: its name, labels and unit, its text in a scrape, and what a change of it means.

Names are dotted, as in the logs: `orders.in_hand` is `journeys_orders_in_hand`. docs/metrics.md shows these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

CounterName: TypeAlias = Literal[
    "orders",
    "orders.skipped",
    "events",
    "events.rejected",
    "events.repeated",
    "journeys.inconsistent",
    "misfits",
    "pages",
    "pages.extra",
    "request.failures",
    "requests.throttled",
    "retries",
    "retries.foreign",
    "dead_letters",
    "transactions",
    "rebalances",
]
SecondsName: TypeAlias = Literal["order_to_commit.seconds", "request.seconds", "transaction.seconds"]
GaugeName: TypeAlias = Literal[
    "info",
    "lag",
    "lag.seconds",
    "orders.due",
    "orders.in_hand",
    "orders.oldest.seconds",
    "orders.waiting",
    "orders.next_due",
    "gate",
    "rate",
    "bytes.in_hand",
    "requests.in_flight",
    "commit.age.seconds",
    "map.bytes",
    "map.gaps",
    "partitions",
    "producer.queue.records",
    "producer.queue.bytes",
    "unready",
    "degraded",
]
TotalName: TypeAlias = Literal["log.lines.lost", "broker.requests", "broker.round_trip.seconds"]
Name: TypeAlias = CounterName | SecondsName | GaugeName | TotalName
Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric: its text in a scrape, its unit, what a change means for the person who looks at it, and its labels."""

    text: str
    unit: str
    change: str
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Duration(Definition):
    """A histogram of durations; `buckets` are upper bounds in seconds."""

    buckets: tuple[float, ...] = ()


_PARTITION: Final = ("topic", "partition")
_CALLS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ORDERS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 2700.0, 3600.0, 7200.0)
"""From an idle worker's tenths of a second to the settle time of 30 minutes, and the retry tier of an hour."""

COUNTERS: Final[Mapping[CounterName, Definition]] = {
    "orders": Definition(
        "Orders that left the worker in a committed transaction.",
        "orders",
        "Its rate is the throughput. `retried` and `dead-lettered` grow when orders fail.",
        ("outcome",),
    ),
    "orders.skipped": Definition(
        "Order messages with a null value.",
        "messages",
        "It grows when the shop deletes orders by key; they need no work.",
    ),
    "events": Definition(
        "Events published.",
        "events",
        "Its rate is what comes out. A channel that ends while the others go on is a matter of the API or the shop.",
        ("channel",),
    ),
    "events.rejected": Definition(
        "Events that are null or no object.",
        "events",
        "It grows when the API sends such events; `journey.rejected` has them.",
    ),
    "events.repeated": Definition(
        "Events read more than once and published once.",
        "events",
        "It grows when events move between pages while a journey is read. Nothing is lost.",
    ),
    "journeys.inconsistent": Definition(
        "Journeys published though total and events read disagree.",
        "journeys",
        "It grows when the API counts wrongly, twice in the same way. The summaries have `consistent` false.",
    ),
    "misfits": Definition(
        "Field values that did not fit their schema, kept as JSON.",
        "values",
        "A field that begins to grow has changed at the API.",
        ("field",),
    ),
    "pages": Definition(
        "Pages read from the order-event API.",
        "pages",
        "Divided by the rate of published orders it gives the pages of one journey.",
    ),
    "pages.extra": Definition(
        "Requests for a page after the last one, because that one was full.",
        "requests",
        "It grows with journeys whose events fill their last page.",
    ),
    "request.failures": Definition(
        "Requests to the order-event API that failed.",
        "requests",
        "It grows at the first failure, also when orders are few. docs/failures.md explains each reason.",
        ("reason",),
    ),
    "requests.throttled": Definition(
        "Requests that the order-event API throttled: HTTP 429, or a `code` with the meaning `pace`.",
        "requests",
        "A few belong to the search for the right rate. It grows when others use the account, too.",
    ),
    "retries": Definition(
        "Orders sent to a retry tier.",
        "orders",
        "The reason says why; a growth in the last tier comes before dead letters.",
        ("tier", "reason"),
    ),
    "retries.foreign": Definition(
        "Records of a retry tier that belong to another consumer group, and were left alone.",
        "records",
        "It grows when two groups share retry topics.",
    ),
    "dead_letters": Definition(
        "Orders sent to the dead letters.", "orders", "Any growth wants a person; the reason says why.", ("reason",)
    ),
    "transactions": Definition(
        "Transactions.",
        "transactions",
        "A few `aborted` ones belong to each rebalance. `unknown` grows when Kafka does not answer in time. `fenced` "
        "grows when another worker uses the same instance id; a single fence comes from a time-out.",
        ("outcome",),
    ),
    "rebalances": Definition(
        "Rebalances that gave partitions to this worker, or took some away: `assigned`, `revoked` or `lost`.",
        "rebalances",
        "It grows when workers start or stop; orders and retry tiers have a group each. `lost` grows when this worker "
        "falls out of a group, because Kafka did not hear from it in time.",
        ("change",),
    ),
}
SECONDS: Final[Mapping[SecondsName, Duration]] = {
    "order_to_commit.seconds": Duration(
        "From the time of the first order message to the commit that published its journey, with settling and retries.",
        "seconds",
        "It grows when the worker is behind, or when orders come late through retry tiers.",
        buckets=_ORDERS_S,
    ),
    "request.seconds": Duration(
        "Requests to the order-event API, from start to last byte.",
        "seconds",
        "It grows when the API becomes slower. Throughput falls with it once all requests are in flight.",
        ("outcome",),
        _CALLS_S,
    ),
    "transaction.seconds": Duration(
        "Transactions, from begin to their end.",
        "seconds",
        "It grows when brokers are slow. Up to a tenth of a second is usual.",
        buckets=_CALLS_S,
    ),
}
GAUGES: Final[Mapping[GaugeName, Definition]] = {
    "info": Definition(
        "Always 1; the labels are the release and the language of the encoder.",
        "",
        "A new version appears with an upgrade. The encoder `python` is much slower than `c`.",
        ("version", "encoder"),
    ),
    "lag": Definition(
        "Orders not published yet.",
        "orders",
        "It grows while orders settle, wait for the API, or come faster than they are published. Transaction markers "
        "among these orders count in it.",
        _PARTITION,
    ),
    "lag.seconds": Definition(
        "Seconds since the oldest order that is not published was written; 0 for none, missing while it is not read.",
        "seconds",
        "Without a settle time it should stay near 0. With one it stays near that time; a growth beyond it is delay.",
        _PARTITION,
    ),
    "orders.due": Definition(
        "Orders not published and due; 0 while the gate is shut for any reason but a pause of the API.",
        "orders",
        "Scale on it: a growth wants more workers, as long as the API allows more requests. While a worker is behind, "
        "orders that it has not read count too, although some may still settle.",
    ),
    "orders.in_hand": Definition(
        "Orders admitted and not yet published.",
        "orders",
        "At JOURNEYS_ORDERS__MAX_IN_HAND the worker is fully loaded.",
    ),
    "orders.oldest.seconds": Definition(
        "How long the oldest order has been in hand, also behind a shut gate; 0 for none in hand.",
        "seconds",
        "It grows while one order is slow or nothing can be published.",
        _PARTITION,
    ),
    "orders.waiting": Definition(
        "Orders that are not due yet: retries, and orders younger than the settle time.",
        "orders",
        "It follows the orders of the last settle time. A growth without more orders comes from retries.",
    ),
    "orders.next_due": Definition(
        "When the next waiting order is due, seconds since the epoch; 0 for none.",
        "seconds since 1970",
        "It moves on with each order that becomes due.",
    ),
    "gate": Definition(
        "1 while the gate is shut for this reason: no orders are taken in.",
        "0 or 1",
        "1 says why requests wait. `pace` is a pause that the API asked for.",
        ("reason",),
    ),
    "rate": Definition(
        "Requests per second that may be sent to the order-event API; +Inf without a bound.",
        "requests per second",
        "It falls at each 429, and returns within minutes.",
    ),
    "bytes.in_hand": Definition(
        "Bytes that orders in hand take, about.",
        "bytes",
        "At JOURNEYS_ORDERS__MAX_BYTES_IN_HAND no more orders are admitted.",
    ),
    "requests.in_flight": Definition(
        "Requests awaiting an answer.",
        "requests",
        "At JOURNEYS_API__MAX_CONCURRENCY the API, or this bound, limits the throughput.",
    ),
    "commit.age.seconds": Definition(
        "Seconds since the last commit, or since the partition came; grows where there is nothing to do.",
        "seconds",
        "It grows without harm in an idle partition. With orders in hand, nothing can be published.",
        _PARTITION,
    ),
    "map.bytes": Definition(
        "Bytes of the offset map in the last commit; Kafka takes 4095.",
        "bytes",
        "It grows while an old order holds up the watermark. At JOURNEYS_ORDERS__MAP_LIMIT the partition waits.",
        _PARTITION,
    ),
    "map.gaps": Definition(
        "Offsets below a published order that are not published themselves.",
        "offsets",
        "It grows when orders finish out of order. One gap that stays, while commits go on, is a slow order.",
        _PARTITION,
    ),
    "partitions": Definition(
        "Partitions assigned to this worker.",
        "partitions",
        "It changes with each rebalance. 0 is a worker in reserve.",
    ),
    "producer.queue.records": Definition(
        "Records that Kafka has not acknowledged yet, as of the last statistics.",
        "records",
        "It stays above 0 while brokers are slow or do not answer.",
    ),
    "producer.queue.bytes": Definition(
        "Bytes of these records.",
        "bytes",
        "It grows with `journeys_producer_queue_records`. At `queue.buffering.max.kbytes` a transaction has to wait.",
    ),
    "unready": Definition(
        "1 while the worker is not ready for this reason, as /readyz says.",
        "0 or 1",
        "1 says that the worker publishes no orders, or not all. The runbook has a section for each reason.",
        ("reason",),
    ),
    "degraded": Definition(
        "1 while this reason of /readyz's `degraded` holds: the worker is ready.",
        "0 or 1",
        "1 is a fault to know of; orders are published.",
        ("reason",),
    ),
}
TOTALS: Final[Mapping[TotalName, Definition]] = {
    "log.lines.lost": Definition(
        "Log lines that could not be written.", "lines", "It grows when the disk is full or the pipe is closed."
    ),
    "broker.requests": Definition(
        "Requests of the producer that a broker has answered, by the broker's id, as of the last statistics.",
        "requests",
        "It stops growing when the broker no longer answers, or has nothing to do.",
        ("broker",),
    ),
    "broker.round_trip.seconds": Definition(
        "Seconds from each of these requests to its answer, in total.",
        "seconds",
        "Its rate divided by that of `journeys_broker_requests_total` is the average round trip, with the copies to "
        "other brokers (`acks=all`). If one broker is slower than the others, look at that broker.",
        ("broker",),
    ),
}


def prometheus_name(name: Name) -> str:
    """`orders.in_hand` → `journeys_orders_in_hand`; Prometheus adds `_total` to counters itself."""
    return "journeys_" + name.removeprefix("journeys.").replace(".", "_")


def series() -> frozenset[str]:
    """The names of all series of a scrape, as Prometheus stores them."""
    return frozenset(
        {
            *(prometheus_name(name) + "_total" for name in (*COUNTERS, *TOTALS)),
            *(prometheus_name(name) + end for name in SECONDS for end in ("_bucket", "_count", "_sum")),
            *(prometheus_name(name) for name in GAUGES),
        }
    )
