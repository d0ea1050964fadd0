"""Answers of the API that differ from its document, on a real broker: what is published is right all the same."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from tests.broker.ops import address_of, measured
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.stack import Stack


def test_odd_answers_publish_whole_journeys(stack: Stack, namespace: str) -> None:
    """Shared ids, small pages, full pages, other types of `code` and lists, encodings and charsets: nothing is lost."""
    orders = [
        "x-sameid-n3-a",
        "x-sameid-n120-a",
        "x-cap50-echo100-n250-a",
        "n100-a",
        "x-textcode-n5-a",
        "x-floatcode-n5-a",
        "x-phplist-n150-a",
        "x-encoded-n5-a",
        "x-latin1-n5-a",
    ]
    with open_shop(stack, namespace) as shop:
        shop.place(*orders)
        worker = shop.crew.hire()
        shop.until_published(len(orders))
        extra = measured(address_of(worker))["journeys_pages_extra_total"]
        assert worker.stop() == 0
        shop.audit(orders)
        shared = {order: summary["shared_ids"] for order, [summary] in shop.summaries().items()}
        assert shared == dict.fromkeys(orders, 0) | {"x-sameid-n3-a": 3, "x-sameid-n120-a": 120}
        assert extra == {(): 2}  # of the 100 events, and of the 250 that come 50 a page


@pytest.mark.parametrize("fault", ["total150", "pagetotal"])
def test_a_total_that_is_too_small_cuts_no_journey(stack: Stack, namespace: str, fault: str) -> None:
    """All 250 events are published, in order, and the summary says that `total` disagrees."""
    order = f"x-{fault}-n250-a"
    with open_shop(stack, namespace) as shop:
        shop.place(order)
        worker = shop.crew.hire()
        shop.until_published(1)
        assert worker.stop() == 0
        [summary] = shop.summaries()[order]
        assert (summary["consistent"], sum(summary["expected"].values())) == (False, 250)
        positions = sorted(int(record.header("position") or -1) for record in shop.events()[order])
        assert positions == list(range(250))


def test_no_journey_comes_in_many_shapes(stack: Stack, namespace: str) -> None:
    """Each ends as an empty summary, and none as a dead letter."""
    words = ["204", "404", "nodata", "emptylist", "emptyobject", "zerototal"]
    orders = [f"x-{word}-n5-a" for word in words]
    with open_shop(stack, namespace) as shop:
        shop.place(*orders)
        worker = shop.crew.hire()
        shop.until_published(len(orders))
        assert worker.stop() == 0
        summaries = shop.summaries()
        assert {order: (found[0]["api_total"], found[0]["consistent"]) for order, found in summaries.items()} == (
            dict.fromkeys(orders, (0, True))
        )
        assert shop.read(shop.dead_letters) == []


def test_an_odd_value_costs_only_its_field(stack: Stack, namespace: str) -> None:
    """A text keeps its control characters; any other odd value is null, a misfit, and kept as received."""
    raw = {"nan": "NaN", "digits": "7" * 5000, "bytes": '"caf\\udce9"'}
    words = ["control", "nan", "bytes", "digits", "deep"]
    with open_shop(stack, namespace) as shop:
        shop.place(*(f"x-{word}-n5-a" for word in words))
        worker = shop.crew.hire()
        shop.until_published(len(words))
        assert worker.stop() == 0
        events = shop.events()
        for word in words:
            order = f"x-{word}-n5-a"
            assert len(events[order]) == len(journey_of(order))
            [first] = [record for record in events[order] if record.header("position") == "0"]
            decoded = shop.decoder.decode(first.value or b"")
            if word == "control":
                assert (decoded["event_campaign"], "/event_campaign" in decoded["misfits"]) == ("a\tb", False)
                continue
            assert (decoded["event_campaign"], "/event_campaign" in decoded["misfits"]) == (None, True)
            kept = decoded["extra"]["/event_campaign"]
            assert kept == raw[word] if word in raw else kept.count('{"a":') == 5000


def test_orders_that_are_ill_formed_for_ever_delay_no_other(stack: Stack, namespace: str) -> None:
    """Six orders in ten get no journey: they go through the tiers to one dead letter each; the others pass by."""
    bad = [f"x-badevents-n3-{number}" for number in range(63)]
    good = [f"n3-{number}" for number in range(42)]
    environment = {"JOURNEYS_ORDERS__RETRY_TIERS": "1s,2s,3s"}
    with open_shop(stack, namespace, environment=environment) as shop:
        mixed = [order for pair in zip(bad, [*good, *[None] * 21], strict=True) for order in pair if order is not None]
        shop.place(*mixed)
        worker = shop.crew.hire()
        shop.until_published(len(good))
        assert shop.read(shop.dead_letters) == []
        later = count()

        def are_dead() -> bool:
            good.append(f"n1-later-{next(later)}")  # the API must answer for others meanwhile
            shop.place(good[-1])
            return len(shop.read(shop.dead_letters)) >= len(bad)

        until(are_dead, "the dead letters")
        shop.until_published(len(good))
        assert worker.stop() == 0
        assert worker.lines("api.failing") == []
        letters = [(letter.value or b"").decode() for letter in shop.read(shop.dead_letters)]
        assert Counter(letters) == Counter(bad)
        assert {letter.header("error-attempts") for letter in shop.read(shop.dead_letters)} == {"4"}
        shop.audit(good)
