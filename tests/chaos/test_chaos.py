"""Disasters by seed, on real processes: no order is lost, doubled or half visible, at any time.

A round that fails prints its seed and its story; `make chaos ROUNDS=1 SEED=<seed>` plays the same story again. The
story is the same then, not the moment within a transaction at which it strikes: play it more than once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.broker.shop import KEY, Shop, open_shop
from tests.broker.workers import until
from tests.chaos.auditors import audit, books, topics
from tests.chaos.companion import Companion
from tests.chaos.flow import Flow
from tests.chaos.stage import Place, Stage
from tests.chaos.story import WORKERS, story
from tests.support.shared_stack import own_broker

from journeys.avro.wire import Decoder
from journeys.producer.registry import lookup, schema_text
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.stack.registry import Registry

NAMESPACE = "chaos."
SESSION = {"group.consumer.session.timeout.ms": "3000"}
ENVIRONMENT = {
    "JOURNEYS_API__READ_TIMEOUT": "1500ms",
    "JOURNEYS_API__TRIES": "3",
    "JOURNEYS_ORDERS__RETRY_TIERS": "1s,2s",
    "JOURNEYS_ORDERS__FLOOD_RUN": "0",
    "JOURNEYS_ORDERS__FLOOD_SHARE": "0",
}
KIP_848 = {"JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer", "JOURNEYS_KAFKA__CONFIG": "{}"}


@contextmanager
def scene(registry: Registry, seed: int) -> Iterator[Shop]:
    """A broker of its own, and workers with one of the two group protocols."""
    environment = {**ENVIRONMENT, **({} if seed % 2 else KIP_848)}
    settings = ApiSettings(key=KEY, latency_s=0.03)
    with (
        own_broker(registry, SESSION) as stack,
        open_shop(stack, NAMESPACE, settings=settings, environment=environment) as shop,
    ):
        # Known before the first disaster: the auditors must not depend on a registry that is down.
        ids = lookup(registry.url, {}, f"{NAMESPACE}journey.").values()
        texts = {schema_id: schema_text(registry.url, {}, schema_id) for schema_id in ids}
        shop.decoder = Decoder(texts.__getitem__, trusted=True)
        yield shop


def test_random_disasters_lose_and_double_nothing(registry: Registry, seed: int) -> None:
    """Through all disasters of a round, each order message gets exactly one whole result."""
    with scene(registry, seed) as shop:
        stage = Stage(shop, [Place(number) for number in range(WORKERS + 1)])
        try:
            play(shop, stage, seed)
            report(shop, stage)
        except BaseException:
            stage.thaw()
            sys.stderr.write("\n".join([f"--- the story of seed {seed} ---", *stage.lines, ""]))
            raise
    sys.stdout.write("\n".join([f"--- the story of seed {seed} ---", *stage.lines, ""]))


def play(shop: Shop, stage: Stage, seed: int) -> None:
    """Play the whole story, with the companion reading along."""
    address = shop.stack.broker.bootstrap_servers
    companion = Companion(address, topics(shop), books(shop))
    with companion.reading():
        stage.open(WORKERS)
        with Flow(address, shop.orders, seed).flowing():
            stage.play(story(seed))
        placed = len(shop.read(shop.orders))
        stage.tell(f"no more disasters; {placed} orders, {companion.settled} of them settled")

        def settled() -> bool:
            stage.look_after()
            return companion.settled >= placed

        until(settled, "all orders to be settled")
        stage.tell("settled")
        stage.close()
    stage.tell(f"stopped; the companion looked {companion.passes} times")
    assert companion.wrongs == []
    assert companion.passes > 3, "it read along"


def report(shop: Shop, stage: Stage) -> None:
    """Log the last line of the story. Fails if a worker logged a defect or was stuck."""
    accounts = audit(shop).accounts.values()
    letters = sum(account.letters for account in accounts)
    logs = [worker.raw() for worker in shop.crew.workers]
    assert not any("Traceback" in log for log in logs)
    assert not any(worker.lines("worker.stuck") for worker in shop.crew.workers)
    counts = {name: sum(log.count(f'"{name}"') for log in logs) for name in COUNTED}
    stage.tell(f"{len(accounts)} orders, {letters} dead letters, lost 0, doubled 0, half visible 0; {counts}")


COUNTED = ("orders.lost", "orders.revoked", "transaction.aborted", "transaction.unknown", "transaction.recovered")
