"""Measures transactions under different librdkafka settings: CPU per record here and in the broker, and their duration.

    python -m benchmarks.publish [--orders 80] [--transactions 12] [--rounds 5] [--set NAME=VALUE …] [--json]

A transaction holds `--orders` journeys of 1 to 19 events with their summaries. It goes to real Kafka, to ten topics of
six partitions. Each variant is a producer with the worker's settings, except those in its name. In each round, every
variant sends its transactions, one variant after the other.

- `produce`: CPU µs per record of the thread that owns the producer, including the commit.
- `process`: CPU µs per record of this process, including librdkafka's threads, which need no GIL.
- `broker`: CPU µs per record of the broker's process.
- `ms`: duration of a transaction, from begin to the end of its commit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.client import orders
from benchmarks.worker import cpu_seconds, setting
from tests.broker.kafka_tools import create_topics

from journeys.kafka.config import producer_config
from journeys.model import Journey, Record
from journeys.producer import schemas
from journeys.producer.encoding.journey import JourneyEncoder
from journeys.producer.publisher import Outcome, Publisher
from journeys.settings import load
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.kafka import Broker

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "none": {"compression.type": "none"},
    "snappy": {"compression.type": "snappy"},
    "zstd": {"compression.type": "zstd"},
    "linger 0": {"linger.ms": 0},
    "linger 20": {"linger.ms": 20},
    "linger 100": {"linger.ms": 100},
    "batch 100 kB": {"batch.size": 100_000},
    "murmur2": {"partitioner": "murmur2"},
}


def records_of(count: int) -> list[list[Record]]:
    """The records of `count` journeys, by journey."""
    ids = {schemas.subject("journey.", name): number for number, name in enumerate(schemas.RECORDS)}
    encoder = JourneyEncoder(ids)
    return [encoder.encode(_journey(order.order_id, number)) for number, order in enumerate(orders(count))]


def _journey(order_id: str, number: int) -> Journey:
    events = tuple(journey_of(order_id))
    return Journey(
        order_id=order_id,
        account="default",
        edition=f"orders.completed/0/{number}",
        order_timestamp_ms=0,
        events=events,
        total=len(events),
        pages=1,
        repeated=0,
        shared_ids=0,
        consistent=True,
        shop_currency="EUR",
        extra={},
        fetched_at_ms=1_700_000_000_000,
    )


class Variant:
    """A producer with some settings changed."""

    def __init__(self, broker: Broker, name: str, changes: Mapping[str, Any]) -> None:
        self._broker = broker
        settings = load(None, {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers})
        config = producer_config(settings, instance_id=name) | dict(changes)
        self._publisher = Publisher(config)
        self._publisher.rebuild(timeout_s=30)

    def close(self) -> None:
        """Drop the producer. Call it before the broker stops."""
        self._publisher.discard()

    def round(self, batches: Sequence[Sequence[Record]], transactions: int) -> dict[str, float]:
        """Send these records `transactions` times. Returns the figures by name."""
        count = sum(map(len, batches)) * transactions
        times = []
        before = time.thread_time(), time.process_time(), cpu_seconds(self._broker.pid or 0)
        for _ in range(transactions):
            start = time.perf_counter()
            result = self._publisher.publish(batches, (), timeout_s=30)
            times.append(time.perf_counter() - start)
            if result.outcome is not Outcome.COMMITTED:
                raise AssertionError(result)
        after = time.thread_time(), time.process_time(), cpu_seconds(self._broker.pid or 0)
        mine, process, broker = (1e6 * (new - old) / count for new, old in zip(after, before, strict=True))
        return {"produce": mine, "process": process, "broker": broker, "ms": 1000 * median(times)}


def run(options: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    """The row of each variant."""
    batches = records_of(options.orders)
    chosen = {f"{name}={value}": {name: value} for name, value in options.set}
    variants = {"as it is": {}, **chosen} if chosen else VARIANTS
    with Broker() as broker:
        create_topics(broker.bootstrap_servers, *(schemas.topic("journey.", name) for name in schemas.RECORDS))
        senders = {name: Variant(broker, name.replace(" ", "-"), changes) for name, changes in variants.items()}
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
        for turn in range(options.rounds + 1):
            for name, sender in senders.items():
                found = sender.round(batches, options.transactions)
                if turn:  # the first warms up
                    rounds[name].append(found)
        for sender in senders.values():
            sender.close()
    for name, rows in rounds.items():
        yield {"variant": name, **{key: median(row[key] for row in rows) for key in rows[0]}}


def main() -> None:
    """Print a line for each variant, or everything as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=80, help="orders in each transaction")
    parser.add_argument("--transactions", type=int, default=12, help="transactions of each variant in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], type=setting, metavar="NAME=VALUE")
    parser.add_argument("--json", action="store_true", help="write JSON instead of the table")
    options = parser.parse_args()
    rows = list(run(options))
    if options.json:
        print(json.dumps({"options": {"orders": options.orders, "rounds": options.rounds}, "rows": rows}))
        return
    print(f"{'µs per record':24}{'produce':>9}{'process':>9}{'broker':>9}{'ms':>9}")
    for row in rows:
        print(f"{row['variant']:24}{row['produce']:9.1f}{row['process']:9.1f}{row['broker']:9.1f}{row['ms']:9.1f}")


if __name__ == "__main__":
    main()
