"""Transactions that go wrong, on a real broker: what is in hand is published by the next one, once, and not refetched.

The worker runs in this process, with a publisher that breaks one transaction in a way that Kafka itself answers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from tests.broker.kafka_tools import read_committed
from tests.broker.shop import Shop, open_shop

from journeys.logs import LogOutput
from journeys.model import GroupOffsets, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.settings import load
from journeys.worker.service import Service
from journeys_sandbox.stack.stack import Stack

P = TypeVar("P", bound=Publisher)

ORDERS = [f"order-{number}" for number in range(300)]


class Meddler(Publisher):
    """A real publisher, of which the second transaction with records goes wrong."""

    transactions = 0
    results: list[Result]

    def publish(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        *,
        timeout_s: float,
    ) -> Result:
        """Publish, or meddle."""
        self.transactions += bool(batches)
        if batches and self.transactions == 2:
            result = self.meddle(batches, groups, timeout_s)
        else:
            result = super().publish(batches, groups, timeout_s=timeout_s)
        self.results = [*getattr(self, "results", []), result]
        return result

    def meddle(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        timeout_s: float,
    ) -> Result:
        """The fault."""
        raise NotImplementedError


class TooMuchMetadata(Meddler):
    """Kafka refuses the offsets (OFFSET_METADATA_TOO_LARGE), after the records were produced."""

    def meddle(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        timeout_s: float,
    ) -> Result:
        """Send a character more than Kafka takes."""
        spoilt = [
            replace(group, offsets=tuple(replace(commit, metadata="x" * 4096) for commit in group.offsets))
            for group in groups
        ]
        return Publisher.publish(self, batches, spoilt, timeout_s=timeout_s)


class AnswerLost(Meddler):
    """The transaction takes effect, and the worker gets no answer."""

    def meddle(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        timeout_s: float,
    ) -> Result:
        """Commit, and claim not to know."""
        result = Publisher.publish(self, batches, groups, timeout_s=timeout_s)
        assert result.outcome is Outcome.COMMITTED
        return Result(outcome=Outcome.UNKNOWN, reason="the answer was lost")


class NeverCommitted(Meddler):
    """The records are sent, the commit is not, and the worker does not know."""

    def meddle(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],  # noqa: ARG002 - the same shape as its siblings
        timeout_s: float,
    ) -> Result:
        """Leave the transaction open."""
        assert self._producer is not None
        self._producer.begin_transaction()
        for batch in batches:
            for record in batch:
                self._producer.produce(record.topic, record.value, record.key, headers=record.headers)
        self._producer.flush(timeout_s)
        return Result(outcome=Outcome.UNKNOWN, reason="unknown")


class Fenced(Meddler):
    """Another producer with the same transactional.id appears: this one is fenced."""

    def meddle(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        timeout_s: float,
    ) -> Result:
        """Fence ourselves."""
        Publisher(self._config).rebuild(timeout_s=10)
        return Publisher.publish(self, batches, groups, timeout_s=timeout_s)


class Outlived(Meddler):
    """The transaction is older than its time-out when it is committed: the broker has aborted it."""

    def meddle(
        self,
        batches: Sequence[Sequence[Record]],
        groups: Sequence[GroupOffsets],
        timeout_s: float,
    ) -> Result:
        """Between the last record and the offsets, wait until the broker has had enough."""
        topics = {record.topic for batch in batches for record in batch}

        def wait() -> object:
            assert self._producer is not None
            self._producer.flush(timeout_s)
            read_committed(self._config["bootstrap.servers"], topics)  # held up until the transaction ends
            return groups[0].metadata()

        return Publisher.publish(self, batches, [replace(groups[0], metadata=wait), *groups[1:]], timeout_s=60)


def work(shop: Shop, publisher: Callable[[dict[str, Any]], P], *, published: int = len(ORDERS)) -> P:
    """Run a worker in this process until so many orders are published, then stop it as a user would."""
    settings = load(None, {**shop.crew.environment, "JOURNEYS_OPS__PORT": "0"})
    made: list[P] = []

    def make(config: dict[str, Any], **_: object) -> P:
        made.append(publisher(config))
        return made[-1]

    failures: list[BaseException] = []

    def watch() -> None:
        try:
            shop.until_published(published)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=watch)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    watcher.start()
    try:
        output = LogOutput(sys.stderr, for_people=False)
        assert asyncio.run(Service(settings, output, publisher=make).main()) == 0
    finally:
        watcher.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not failures, failures
    return made[0]


@pytest.mark.parametrize(
    ("publisher", "outcome"),
    [
        (TooMuchMetadata, Outcome.ABORTED),
        (AnswerLost, Outcome.UNKNOWN),
        (NeverCommitted, Outcome.UNKNOWN),
        (Fenced, Outcome.UNKNOWN),
        (Outlived, Outcome.UNKNOWN),
    ],
)
def test_a_broken_transaction_publishes_each_order_once(
    stack: Stack, namespace: str, publisher: type[Meddler], outcome: Outcome
) -> None:
    """However a transaction ends, the worker publishes each order once and fetches it once."""
    environment = {"JOURNEYS_ORDERS__MAX_IN_HAND": "100"}
    with open_shop(stack, namespace, environment=environment) as shop:
        shop.place(*ORDERS)
        meddler = work(shop, publisher)
        assert {result.outcome for result in meddler.results} == {outcome, Outcome.COMMITTED}
        shop.audit(ORDERS)
        repeated = {asked: times for asked, times in shop.api.stats.pages.items() if times != 1}
        assert not repeated
