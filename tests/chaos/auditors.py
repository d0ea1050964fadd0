"""The audit at the end of a round: reads all topics of a shop from the beginning."""

from __future__ import annotations

from tests.broker.kafka_tools import read_committed
from tests.broker.shop import CHANNELS, Shop
from tests.chaos.books import Books


def topics(shop: Shop) -> list[str]:
    """The topics with published records."""
    return [*(shop.topic(end) for end in (*CHANNELS, "rejected", "summary")), shop.dead_letters]


def books(shop: Shop) -> Books:
    """Empty accounts."""
    return Books(summary=shop.topic("summary"), dead_letters=shop.dead_letters, decode=shop.decoder.decode)


def audit(shop: Shop) -> Books:
    """Check that each order message has exactly one whole result. Returns the accounts. Raises AssertionError."""
    found = books(shop)
    for record in read_committed(shop.stack.broker.bootstrap_servers, topics(shop)):
        found.enter(record)
    orders = {
        f"{read.topic}/{read.partition}/{read.offset}": (read.value or b"").decode() for read in shop.read(shop.orders)
    }
    wrongs = found.closed(orders)
    assert not wrongs, wrongs
    for edition, order in orders.items():
        account = found.accounts[edition]
        for summary in account.summaries:
            shop.audit_order(order, account.events, summary)
    return found
