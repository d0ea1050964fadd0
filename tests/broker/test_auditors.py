"""The chaos auditors find a worker that is wrong: deliberate defects, on a real broker.

As in `tests/simulation/defects.py`, each is a subclass of the product's own class, and the product knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from tests.broker.shop import Shop, open_shop
from tests.broker.test_transactions import work
from tests.broker.workers import until
from tests.chaos.auditors import audit, books, topics
from tests.chaos.companion import Companion

from journeys.model import GroupOffsets, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys_sandbox.stack.stack import Stack

Batches = Sequence[Sequence[Record]]
Groups = Sequence[GroupOffsets]

ORDERS = [f"n{number % 5 + 1}-order-{number}" for number in range(60)]


class OffsetsOutside(Publisher):
    """Offsets are not sent in the transaction of the records, and between the two the worker loses its producer."""

    is_done: ClassVar[bool]

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Once; from then on as it should be."""
        if not batches or self.is_done:
            return super().publish(batches, groups, timeout_s=timeout_s)
        type(self).is_done = True
        assert super().publish(batches, [], timeout_s=timeout_s).outcome is Outcome.COMMITTED
        return Result(outcome=Outcome.UNKNOWN, reason="before the offsets")


class OrderSkipped(Publisher):
    """The offset of an order is committed, its journey is not published."""

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Without the last order of each transaction but those that hold one alone."""
        return super().publish(batches[: max(1, len(batches) - 1)], groups, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("publisher", "published", "wrong"),
    [(OffsetsOutside, len(ORDERS), "doubled: 2 summaries"), (OrderSkipped, len(ORDERS) // 2, "lost")],
)
def test_the_final_audit_finds_each_planted_defect(
    stack: Stack, namespace: str, publisher: type[Publisher], published: int, wrong: str
) -> None:
    """The audit after the run finds each kind of wrong record."""
    OffsetsOutside.is_done = False
    with open_shop(stack, namespace) as shop:
        shop.place(*ORDERS)
        work(shop, publisher, published=published)
        with pytest.raises(AssertionError, match=wrong):
            audit(shop)


class SummaryLater(Publisher):
    """The events of a journey go out before its summary; `between` is what happens until then."""

    def __init__(self, config: dict[str, Any], summary: str, between: Callable[[], None]) -> None:
        super().__init__(config)
        self._summary = summary
        self._between = between

    def publish(self, batches: Batches, groups: Groups, *, timeout_s: float) -> Result:
        """Two transactions."""
        whole = [list(batch) for batch in batches]
        first = super().publish(self._of(whole, is_summary=False), [], timeout_s=timeout_s)
        if whole:
            self._between()
        if first.outcome is not Outcome.COMMITTED:
            return first
        return super().publish(self._of(whole, is_summary=True), groups, timeout_s=timeout_s)

    def _of(self, batches: list[list[Record]], *, is_summary: bool) -> list[list[Record]]:
        return [[record for record in batch if (record.topic == self._summary) is is_summary] for batch in batches]


def test_reading_along_finds_a_journey_that_was_half_visible(stack: Stack, namespace: str) -> None:
    """A journey that was half visible is whole in the end: only a consumer that reads along finds this defect."""
    with open_shop(stack, namespace) as shop:
        shop.place(*ORDERS)
        companion = companion_of(shop)

        def until_seen() -> None:
            passes = companion.passes  # the next one has seen the events; the one after it looks at their accounts
            until(lambda: companion.passes >= passes + 3, "the companion to look")

        with companion.reading():
            work(
                shop,
                lambda config: SummaryLater(config, shop.topic("summary"), until_seen),
                published=len(ORDERS),
            )
        assert any("half visible" in wrong for wrong in companion.wrongs)
        audit(shop)


def companion_of(shop: Shop) -> Companion:
    """An auditor that reads along."""
    return Companion(shop.stack.broker.bootstrap_servers, topics(shop), books(shop))
