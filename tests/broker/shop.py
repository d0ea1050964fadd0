"""One shop under test: its topics, schemas, stand-in API and workers, and the audit of what was published."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.broker.kafka_tools import Read, produce_orders, read_committed
from tests.broker.workers import Crew, crew, until
from tests.expectations import lost

from journeys.avro.wire import Decoder
from journeys.producer.channels import Channel, Channels
from journeys.producer.registry import schema_text
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.stack.stack import Stack

KEY = "sandbox-key"
CHANNELS = tuple(Channel)


@dataclass
class Shop:
    """Names, addresses and helpers of one test."""

    namespace: str
    stack: Stack
    api: StandInThread
    crew: Crew
    directory: Path

    @cached_property
    def orders(self) -> str:
        """The topic of completed orders."""
        return f"{self.namespace}orders"

    @cached_property
    def dead_letters(self) -> str:
        """The topic of dead letters."""
        return f"{self.namespace}dead-letter"

    @cached_property
    def retries(self) -> str:
        """The last retry tier, the only one by default: its orders are not due before the test is over."""
        return f"{self.namespace}retry.1h"

    @cached_property
    def tiers(self) -> list[str]:
        """The topics of all retry tiers."""
        delays = self.crew.environment["JOURNEYS_ORDERS__RETRY_TIERS"].split(",")
        return [f"{self.namespace}retry.{delay}" for delay in delays]

    @cached_property
    def decoder(self) -> Decoder:
        """A decoder that asks the registry for schemas, as a consumer would."""
        url = self.stack.registry.url
        return Decoder(lambda schema_id: schema_text(url, {}, schema_id), trusted=True)

    def topic(self, end: str) -> str:
        """The name of a topic for events, summaries or rejected items."""
        return f"{self.namespace}journey.{end}"

    def place(self, *orders: str | bytes | None) -> None:
        """Produce order messages, spread evenly over the partitions."""
        produce_orders(self.stack.broker.bootstrap_servers, self.orders, orders, partitions=6)

    def read(self, *topics: str) -> list[Read]:
        """All committed records of these topics now."""
        return read_committed(self.stack.broker.bootstrap_servers, topics)

    def summaries(self) -> dict[str, list[dict[str, Any]]]:
        """The summaries so far, by order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in self.read(self.topic("summary")):
            summary = self.decoder.decode(record.value or b"")
            found[summary["order_id"]].append(summary)
        return found

    def until_published(self, count: int) -> None:
        """Wait until this many orders have a summary."""
        until(lambda: len(self.read(self.topic("summary"))) >= count, f"{count} summaries")

    def events(self) -> dict[str, list[Read]]:
        """The events so far, by order, including rejected items."""
        found: dict[str, list[Read]] = defaultdict(list)
        for record in self.read(*(self.topic(end) for end in (*CHANNELS, "rejected"))):
            found[(record.key or b"").decode()].append(record)
        return found

    def audit(self, orders: list[str]) -> None:
        """Check that every order has its whole journey exactly once, field by field, and the right summary."""
        summaries = self.summaries()
        assert sorted(summaries) == sorted(orders)
        doubled = {order for order, found in summaries.items() if len(found) > 1}
        assert not doubled
        events = self.events()
        assert not events.keys() - summaries.keys()
        for order in orders:
            self.audit_order(order, events[order], summaries[order][0])

    def audit_order(self, order: str, records: list[Read], summary: dict[str, Any]) -> None:
        """Check that these are the records of a whole journey, field by field, with the right summary."""
        events = journey_of(order)
        by_position = {int(record.header("position") or -1): record for record in records}
        assert sorted(by_position) == list(range(len(events))), order
        assert len(records) == len(events), order
        counts: Counter[str] = Counter()
        misfits = 0
        for position, event in enumerate(events):
            decoded = self.decoder.decode(by_position[position].value or b"")
            assert (decoded["order_id"], decoded["position"]) == (order, position)
            assert (decoded["journey_size"], decoded["edition"]) == (len(events), summary["edition"])
            if not isinstance(event, dict):
                assert by_position[position].topic == self.topic("rejected")
                continue
            channel = Channels().of(event.get("event_type"))
            assert by_position[position].topic == self.topic(channel)
            assert lost(event, decoded) == [], (order, position)
            counts[channel] += 1
            misfits += len(decoded["misfits"])
        self._audit_places(records, order)
        assert (summary["api_total"], summary["consistent"], summary["misfit_count"]) == (len(events), True, misfits)
        assert summary["rejected"] == len(events) - counts.total()
        assert {channel: count for channel, count in summary["expected"].items() if count} == dict(counts)

    def _audit_places(self, records: list[Read], order: str) -> None:
        """Check that the events of one order and channel keep the journey's order."""
        places: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        for record in records:
            places[record.topic, record.partition].append((record.offset, int(record.header("position") or -1)))
        for found in places.values():
            positions = [position for _, position in sorted(found)]
            assert positions == sorted(positions), order


@contextmanager
def open_shop(
    stack: Stack, namespace: str, *, settings: ApiSettings | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Shop]:
    """A shop with its topics and schemas set up by the commands that users have."""
    with StandInThread(settings or ApiSettings(key=KEY)) as api:
        names = {
            **stack.environment,
            "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}group",
            "JOURNEYS_KAFKA__TRANSACTION_TIMEOUT": "3s",
            "JOURNEYS_KAFKA__CONFIG": '{"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}',
            "JOURNEYS_ORDERS__TOPICS": f"{namespace}orders",
            "JOURNEYS_ORDERS__RETRY_PREFIX": f"{namespace}retry.",
            "JOURNEYS_ORDERS__RETRY_TIERS": "1h",
            "JOURNEYS_ORDERS__DEAD_LETTER": f"{namespace}dead-letter",
            "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"{namespace}journey.",
            "JOURNEYS_API__BASE_URL": api.url,
            "JOURNEYS_API__KEY": KEY,
            "JOURNEYS_API__EMPTY_AFTER": "[]",
            "JOURNEYS_LOGS__LEVEL": "debug",
            **(environment or {}),
        }
        with crew(names) as workers:
            workers.setup("topics", "create")
            workers.setup("schemas", "register")
            yield Shop(namespace, stack, api, workers, workers.directory)
