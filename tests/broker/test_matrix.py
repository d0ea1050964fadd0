"""Each fault, whenever it strikes, with and without SIGKILL: every order ends in one place, and in the right one.

`make test` plays a few rounds, `make matrix` all of them. A round is played once; each of its cells then looks at its
own orders.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

import pytest
from tests.broker.kafka_tools import Read
from tests.broker.matrix import CODES, Cell, Round, cells
from tests.broker.places import Found, Place, place_of_each, traces
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import Worker, until

from journeys_sandbox.stack.stack import Stack

ENVIRONMENT = {
    "JOURNEYS_API__TRIES": "2",
    "JOURNEYS_API__READ_TIMEOUT": "1s",
    "JOURNEYS_API__MAX_EVENTS": "1000",
    "JOURNEYS_API__EMPTY_AFTER": "1s",
    "JOURNEYS_API__CODES": CODES,
    "JOURNEYS_ORDERS__RETRY_TIERS": "1s,2s,1h",
}
ACCOUNT = {**ENVIRONMENT, "JOURNEYS_ORDERS__RETRY_TIERS": "1h"}
"""Singling out orders one by one takes long, so these rounds have one retry tier."""
QUICK = {"answers-always-kill", "orders-page-live", "bodies-first-kill", "journeys-outage-kill"}
"""Rounds of `make test`."""
PUBLISHED = (Place.PUBLISHED, Place.IN_PART, Place.EMPTY)
GOOD = 30
"""Good orders of a round: enough for an outage to be taken for one."""


class Played:
    """A round that is over: its shop, without workers, and what became of each order."""

    def __init__(self, shop: Shop, sent: list[str]) -> None:
        self.shop = shop
        self.sent = sent
        self.found: dict[str, Found] = place_of_each(traces(shop))
        self.events: dict[str, list[Read]] = shop.events()
        self.summaries: dict[str, list[dict[str, Any]]] = shop.summaries()

    def check_others(self, bad: set[str]) -> None:
        """Good orders are published whole, and nothing is anywhere that was not sent."""
        assert sorted(self.found) == sorted(self.sent)
        for order in self.found.keys() - bad:
            assert self.found[order] == Found(place=Place.PUBLISHED), order
            self.audit(order)
        published = [found for found in self.found.values() if found.place in PUBLISHED]
        assert sum(len(each) for each in self.summaries.values()) == len(published)

    def audit(self, order: str) -> None:
        """The published journey equals the API's."""
        self.shop.audit_order(order, self.events[order], self.summaries[order][0])


class Game:
    """Plays rounds, one at a time, each at most once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._open = ExitStack()
        self._round: Round | None = None
        self._played: Played | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def of(self, wanted: Round) -> Played:
        """The round, played. One that failed a good order, or could not be played at all, fails each of its cells."""
        if self._round != wanted:
            self._open.close()
            self._round, self._played = wanted, None
            self._played = self._play(wanted)
        assert self._played is not None, "this round failed before its cells were looked at"
        return self._played

    def _play(self, wanted: Round) -> Played:
        namespace = f"{wanted.name}-{uuid.uuid4().hex[:8]}."
        with ExitStack() as opening:
            environment = ACCOUNT if wanted.group.is_account else ENVIRONMENT
            shop = opening.enter_context(open_shop(self._stack, namespace, environment=environment))
            sent = play(shop, wanted)
            played = Played(shop, sent)
            played.check_others({order for fault in wanted.faults for order in wanted.orders(fault)})
            self._open = opening.pop_all()
        return played


def play(shop: Shop, wanted: Round) -> list[str]:
    """Let workers do a round's orders until every one is settled; the orders that were sent."""
    bad = [order for fault in wanted.faults for order in wanted.orders(fault)]
    good = [f"n{3 + number % 4}-good-{number}" for number in range(GOOD)]
    sent = [*good[: GOOD // 2], *bad, *good[GOOD // 2 :]]
    if wanted.when == "outage":
        shop.api.change(wanted.group.outage)
    shop.place(*sent)
    worker = shop.crew.hire()
    if wanted.when == "outage":
        worker.until(wanted.group.shut)
    if wanted.kill:
        until(lambda: has_struck(shop, worker, wanted, bad), "the faults to strike")
        worker.kill()
        worker = shop.crew.hire()
        worker.until_assigned()
    shop.api.change("")
    more = count()

    def settled() -> bool:
        assert worker.process.poll() is None, worker.raw()
        published = len(shop.read(shop.topic("summary")))
        if published + len(shop.read(shop.dead_letters, shop.retries)) >= len(sent):
            return True
        if wanted.group.is_account and published >= len(sent) - len(bad):
            sent.append(f"n2-more-{next(more)}")
            shop.place(sent[-1])
        return False

    until(settled, "every order to be settled", patience=240)
    assert worker.stop() == 0
    return sent


def has_struck(shop: Shop, worker: Worker, wanted: Round, bad: list[str]) -> bool:
    """Whether every order with a fault has met it; a gate that is shut keeps the others from theirs."""
    if worker.lines(wanted.group.shut):
        return True
    asked = shop.api.stats.pages
    return all((order, 2 if wanted.when == "page" else 1) in asked for order in bad)


@pytest.fixture(scope="module")
def game(stack: Stack) -> Iterator[Game]:
    """Plays the rounds of this module."""
    with Game(stack) as playing:
        yield playing


def listed(cell: Cell) -> Any:
    """As pytest takes it; rounds that are not quick are left to `make matrix`."""
    return pytest.param(cell, id=cell.name, marks=[] if cell.round.name in QUICK else [pytest.mark.matrix])


@pytest.mark.parametrize("cell", [listed(cell) for cell in cells()])
def test_each_fault_ends_in_its_cell_of_the_failure_table(game: Game, cell: Cell) -> None:
    """The orders with the fault end where the table of failures puts them, whole if they were published."""
    played = game.of(cell.round)
    for order in cell.orders:
        assert played.found[order] in cell.ends(played.shop.retries), order
        if played.found[order].place in (Place.PUBLISHED, Place.IN_PART) and cell.is_exact:
            played.audit(order)
