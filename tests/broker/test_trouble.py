"""Trouble as the person on call meets it: outages, waiting, floods, codes and drift, each with its end."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import httpx
import pytest
from tests.broker import impatient
from tests.broker.kafka_tools import Read, produce_orders
from tests.broker.ops import address_of, control, degraded, measured, oldest_order, reasons, state, stay_healthy, walk
from tests.broker.places import Found, Place, place_of_each, traces
from tests.broker.shop import CHANNELS, Shop, open_shop
from tests.broker.workers import until
from tests.support.json_pages import differences

from journeys.ops.health import DEGRADED, UNREADY
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.stack import Stack

HOUR_MS = 3_600_000
PUBLISHED = Found(place=Place.PUBLISHED)
ONE_TRY = {"JOURNEYS_API__TRIES": "1"}


def now_ms() -> int:
    """The present, as Kafka tells it."""
    return int(time.time() * 1000)


def put(shop: Shop, topic: str, *orders: str, timestamp_ms: int = 0, **headers: str) -> None:
    """Put orders behind one another into partition 0."""
    named: list[tuple[str, str | bytes | None]] = [(name.replace("_", "-"), value) for name, value in headers.items()]
    servers = shop.stack.broker.bootstrap_servers
    produce_orders(servers, topic, orders, partitions=1, headers=named, timestamp_ms=timestamp_ms)


# -- an outage


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.matrix)])
def test_an_api_outage_delays_orders_and_loses_none(stack: Stack, namespace: str, seconds: int) -> None:
    """The API fails while orders keep coming, then recovers: each order is published once, and none is dead."""
    environment = {"JOURNEYS_ORDERS__RETRY_TIERS": "2s,10s,1h"}
    with open_shop(stack, namespace, environment=environment) as shop:
        coming = (f"order-{number}" for number in count())
        sent = [*islice(coming, 50)]
        shop.place(*sent)
        worker = shop.crew.hire()
        address = address_of(worker)
        shop.until_published(len(sent))
        shop.api.change("503")
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            sent += keep_coming(shop, coming)
        walk("The API is down", worker, address)
        shop.api.change("")
        until(lambda: reasons(address) == {}, "the gate to open")
        sent += keep_coming(shop, coming)
        shop.until_published(len(sent))
        assert worker.stop() == 0
        assert worker.lines("api.failing")
        assert worker.lines("api.recovered")
        assert shop.read(shop.dead_letters) == []
        assert place_of_each(traces(shop)) == {order: PUBLISHED if journey_of(order) else EMPTY for order in sent}
        shop.audit(sent)


EMPTY = Found(place=Place.EMPTY)


def keep_coming(shop: Shop, coming: Iterator[str]) -> list[str]:
    """The orders of half a second."""
    orders = [*islice(coming, 5)]
    shop.place(*orders)
    time.sleep(0.5)  # the pace of a shop; nothing is waited for
    return orders


def test_few_orders_whose_every_request_fails_are_reported(stack: Stack, namespace: str) -> None:
    """One order is too few to shut the gate. The worker is degraded until the API answers again, and loses no order."""
    with open_shop(stack, namespace, environment={"JOURNEYS_ORDERS__RETRY_TIERS": "1s,5s"}) as shop:
        worker = shop.crew.hire(str(Path(impatient.__file__)))
        address = address_of(worker)
        until(lambda: reasons(address) == {}, "a ready worker")
        shop.api.change("503")
        shop.place("n2-a")
        until(lambda: "failing" in degraded(address), "the reason")
        assert re.match(r"all requests failed since the last answer \(\d+\)", degraded(address)["failing"])
        assert "status-503" in worker.until("api.failing")[0]["reason"]
        assert reasons(address) == {}
        assert measured(address)["journeys_degraded"]["failing",] == 1
        shop.api.change("")
        shop.until_published(1)
        until(lambda: degraded(address) == {}, "the end")
        worker.until("api.recovered")
        assert worker.stop() == 0
        shop.audit(["n2-a"])


# -- waiting


def test_a_due_retry_overtakes_retries_that_are_not_due(stack: Stack, namespace: str) -> None:
    """Behind 1,900 records of one partition that are due in an hour, the worker takes the ones that are due now."""
    with open_shop(stack, namespace) as shop:
        later = [f"n2-later-{number}" for number in range(1900)]
        due = [f"n3-due-{number}" for number in range(5)]
        put(shop, shop.retries, *later, not_before=str(now_ms() + HOUR_MS), attempt="1")
        put(shop, shop.retries, *due, not_before=str(now_ms() - 1000), attempt="1")
        worker = shop.crew.hire()
        address = address_of(worker)
        shop.until_published(len(due))
        until(lambda: measured(address)["journeys_orders_waiting"] == {(): len(later)}, "the others to be counted")
        assert worker.stop() == 0
        shop.audit(due)
        assert shop.api.stats.requests == len(due)


def test_an_order_waits_until_it_is_settled(stack: Stack, namespace: str) -> None:
    """Old and young orders share a partition: the old ones are published, the young ones wait and are shown so."""
    with open_shop(stack, namespace, environment={"JOURNEYS_ORDERS__SETTLE": "1h"}) as shop:
        young = now_ms() - 60_000
        put(shop, shop.orders, "n2-old-0", timestamp_ms=young - HOUR_MS)
        put(shop, shop.orders, "n2-young-0", timestamp_ms=young)
        put(shop, shop.orders, "n2-old-1", timestamp_ms=young - 2 * HOUR_MS)
        put(shop, shop.orders, "n2-young-1", "n2-young-2", timestamp_ms=young + 5)
        put(shop, shop.orders, "n2-ripens", timestamp_ms=now_ms() - HOUR_MS + 6000)
        worker = shop.crew.hire()
        address = address_of(worker)
        shop.until_published(3)
        until(lambda: measured(address)["journeys_orders_waiting"] == {(): 3}, "the young orders to be counted")
        until(lambda: measured(address)["journeys_orders_due"] == {(): 0}, "no due order in the next measurement")
        found = measured(address)
        assert found["journeys_orders_waiting"] == {(): 3}
        assert found["journeys_orders_next_due"] == {(): (young + HOUR_MS) / 1000}
        stay_healthy(worker, address)
        assert "JOURNEYS_ORDERS__SETTLE (1h)" in worker.lines("orders.waiting")[0]["reason"]
        worker.until("orders.summary")
        assert sum(line["published"] for line in worker.lines("orders.summary")) <= 3
        assert worker.stop() == 0
        unread = dict.fromkeys(("n2-young-0", "n2-young-1", "n2-young-2"), Found(place=Place.UNREAD))
        settled = dict.fromkeys(("n2-old-0", "n2-old-1", "n2-ripens"), PUBLISHED)
        assert place_of_each(traces(shop)) == unread | settled
        assert shop.api.stats.requests == 3
        shop.audit(list(settled))


def test_slow_order_is_named_until_it_ends(stack: Stack, namespace: str) -> None:
    """The log, /readyz and the metrics name it, while the worker is ready and publishes others."""
    with open_shop(stack, namespace, environment={"JOURNEYS_ORDERS__SLOW": "2s"}) as shop:
        slow = "x-503x3-slow1500-n1-slow"
        put(shop, shop.orders, slow, "n1-fast")
        worker = shop.crew.hire()
        address = address_of(worker)
        walk("An order is slow", worker, address)
        assert f"order {slow} ({shop.orders}/0/0) takes " in degraded(address)["slow"]
        assert (reasons(address), oldest_order(address)) == ({}, slow)
        found = measured(address)
        assert found["journeys_degraded"] == {(name,): name == "slow" for name in DEGRADED}
        assert found["journeys_unready"] == {(name,): 0 for name in UNREADY}
        shop.until_published(2)
        until(lambda: (degraded(address), oldest_order(address)) == ({}, None), "its end")
        [line] = worker.lines("order.slow")
        assert (line["order_id"], line["position"]) == (slow, f"{shop.orders}/0/0")
        assert line["tries"] >= 1
        assert line["last_failure"].startswith("status-503 ")
        assert worker.stop() == 0


def test_retry_headers_are_overwritten_and_the_order_is_kept(stack: Stack, namespace: str) -> None:
    """From tier to tier our headers occur once, with new values; key, value and the order's own headers stay."""
    environment = {**ONE_TRY, "JOURNEYS_ORDERS__RETRY_TIERS": "1s,2s,1h"}
    with open_shop(stack, namespace, environment=environment) as shop:
        tiers, dies = "x-503-n3-a", "x-503x2-400-n3-b"
        put(shop, shop.orders, tiers, dies, trace="one", Trace="two", source="shop")
        own = [("trace", b"one"), ("Trace", b"two"), ("source", b"shop")]
        worker = shop.crew.hire()
        until(lambda: len(shop.read(shop.retries)) == 1, "the last tier")
        until(lambda: len(shop.read(shop.dead_letters)) == 1, "the dead letter")
        assert worker.stop() == 0
        [letter] = shop.read(shop.dead_letters)
        retries = shop.read(*shop.tiers)
        [line] = worker.lines("order.dead_lettered")
        assert (line["source"], line["sent_to"]) == (
            f"{shop.orders}/0/1",
            f"{shop.dead_letters}/{letter.partition}/{letter.offset}",
        )
        sent_to = {f"{record.topic}/{record.partition}/{record.offset}" for record in retries}
        assert {line["sent_to"] for line in worker.lines("order.retried")} == sent_to
    for number, order in enumerate((tiers, dies)):
        passed = sorted((record for record in retries if record.value == order.encode()), key=attempt)
        assert [record.topic for record in passed] == shop.tiers[: 3 - number]
        for record in passed:
            assert (record.key, [*record.headers[:3]]) == (order.encode(), own)
            assert Counter(name for name, _ in record.headers[3:]) == Counter(OURS)
            assert record.header("edition") == f"{shop.orders}/0/{number}"
            assert (record.header("absences"), record.header("retry-reason")) == ("0", "status-503")
        assert [attempt(record) for record in passed] == list(range(1, 4 - number))
        not_before = [int(record.header("not-before") or 0) for record in passed]
        assert not_before == sorted(set(not_before))
    assert (letter.key, letter.value, [*letter.headers[:3]]) == (dies.encode(), dies.encode(), own)
    assert {name for name, _ in letter.headers[3:]} == set(ERRORS)
    assert (letter.header("error-reason"), letter.header("error-attempts")) == ("status-400", "3")
    assert (letter.header("error-topic"), letter.header("error-offset")) == (shop.orders, "1")


OURS = (
    "retry-group",
    "account",
    "edition",
    "order-timestamp",
    "attempt",
    "absences",
    "not-before",
    "retry-reason",
    "fetched-at",
    "revision",
)
ERRORS = (
    "error-group",
    "error-reason",
    "error-stage",
    "error-message",
    "error-attempts",
    "error-topic",
    "error-partition",
    "error-offset",
    "error-time",
    "error-fetched-at",
)


def attempt(record: Read) -> int:
    """Which attempt a record of a tier is for."""
    return int(record.header("attempt") or -1)


# -- the gate, and people


def test_a_flood_of_dead_letters_shuts_the_gate(stack: Stack, namespace: str) -> None:
    """The gate shuts and gives its reason; good orders wait; `resume` lets them go on, and `hold` stops them again."""
    with open_shop(stack, namespace, environment={"JOURNEYS_ORDERS__FLOOD_RUN": "5"}) as shop:
        refused = [f"x-400-{number}" for number in range(5)]
        shop.place(*refused)
        worker = shop.crew.hire()
        address = address_of(worker)
        walk("A flood of dead letters", worker, address)
        assert reasons(address)["flood"].startswith("5 in a row became dead letters")
        behind = [f"n3-behind-{number}" for number in range(12)]
        shop.place(*behind)
        until(lambda: lag(address, shop) >= len(behind), "the orders behind to be seen")
        assert shop.api.stats.requests == len(refused)
        until(lambda: state(address)["orders"]["dead_lettered"] == len(refused), "the dead letters on the page")
        shown = state(address)
        assert shown["summary"]["runbook"] == "/runbook#a-flood-of-dead-letters"
        assert {problem["order_id"] for problem in shown["problems"]} == set(refused)
        assert shown["orders"]["due"] == len(behind)
        assert {"topic": shop.orders, "waiting": 0}.items() <= shown["partitions"][0].items()
        assert httpx.post(f"{address}/resume", trust_env=False).status_code == 403
        assert "flood" in reasons(address)
        assert resumed_by_command(shop, address) == ["flood"]
        shop.until_published(len(behind))

        assert control(address, "/hold") == {"ok": True, "shut": ["operator"]}
        walk("An operator holds it", worker, address)
        assert reasons(address) == {"held": "an operator holds it"}
        held = [f"n2-held-{number}" for number in range(6)]
        shop.place(*held)
        until(lambda: lag(address, shop) >= len(held), "the held orders to be seen")
        assert shop.api.stats.requests == len(refused + behind)
        assert control(address, "/resume") == {"ok": True, "opened": ["operator"], "shut": []}
        shop.until_published(len(behind + held))
        assert reasons(address) == {}
        shop.place("x-429s30-n1-throttled")
        walk("The API throttles", worker, address)
        bundle_names_no_order(shop, address, [*refused, *behind, *held, "x-429s30-n1-throttled"])
        assert worker.stop() == 0
        shop.audit(behind + held)
        assert [line["event"] for line in worker.lines() if line["event"] in TOLD] == list(TOLD)


def resumed_by_command(shop: Shop, address: str) -> list[str]:
    """What `journeys dead-letters resume` opened at this worker."""
    ended = shop.crew.run("dead-letters", "resume", "--url", address, "--json")
    [answer] = answers = json.loads(ended.stdout)
    assert (ended.code, differences("journeys dead-letters resume", answers)) == (0, [])
    opened: list[str] = answer["opened"]
    return opened


def bundle_names_no_order(shop: Shop, address: str, orders: list[str]) -> None:
    """`journeys support-bundle` of a worker with an order in hand: it has every file, and no order id in any."""
    file, log = shop.directory / "bundle.zip", shop.directory / "worker-0.log"
    ended = shop.crew.run("support-bundle", str(file), "--url", address, "--log", str(log), "--json")
    answer = json.loads(ended.stdout)
    assert (ended.code, differences("journeys support-bundle", answer)) == (0, [])
    with zipfile.ZipFile(file) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    pages = ["worker-1/metrics.txt", "worker-1/readyz.json"]
    assert list(texts) == answer["files"] == ["about.json", "doctor.json", "settings.json", *pages, "worker.log"]
    assert re.fullmatch(r"order-\d+", json.loads(texts["worker-1/readyz.json"])["oldest_order"]["order_id"])
    assert "order.published" in texts["worker.log"]
    assert [order for order in orders if any(order in text for text in texts.values())] == []


TOLD = ("dead_letters.flood", "dead_letters.resumed", "intake.held", "intake.resumed")


def lag(address: str, shop: Shop) -> float:
    """Orders of the topic of orders that are not published yet."""
    return sum(value for labels, value in measured(address).get("journeys_lag", {}).items() if shop.orders in labels)


# -- what a code means


@pytest.mark.slow
def test_mapped_api_codes_are_handled_as_the_settings_say(stack: Stack, namespace: str) -> None:
    """Auth and pace shut the gate for a while, passing is retried, absent is empty, order is a dead letter."""
    environment = {
        "JOURNEYS_API__CODES": '{"11": "auth", "12": "pace", "13": "passing", "14": "absent", "15": "order"}',
        "JOURNEYS_API__EMPTY_AFTER": "[1]",
        "JOURNEYS_ORDERS__RETRY_TIERS": "1s,1h",
    }
    with open_shop(stack, namespace, environment=environment) as shop:
        passing = ["x-code11x1-n3-auth", "x-code12x1-n3-pace", "x-code13x1-n3-passing", "x-code14x1-n3-absent"]
        shop.place(*passing, "x-code14-n3-absent", "x-code15-n3-order")
        worker = shop.crew.hire()
        shop.until_published(len(passing) + 1)
        until(lambda: len(shop.read(shop.dead_letters)) == 1, "the dead letter")
        assert worker.stop() == 0
        assert place_of_each(traces(shop)) == {
            **dict.fromkeys(passing, PUBLISHED),
            "x-code14-n3-absent": EMPTY,
            "x-code15-n3-order": Found(place=Place.DEAD_LETTER, reason="code-15"),
        }
        assert worker.lines("api.unauthorized")
        assert worker.lines("api.paused")
        retried = Counter((line["order_id"], line["reason"]) for line in worker.lines("order.retried"))
        assert retried == {("x-code14x1-n3-absent", "code-14"): 1, ("x-code14-n3-absent", "code-14"): 1}


def test_an_unmapped_api_code_is_a_dead_letter_only_while_others_succeed(stack: Stack, namespace: str) -> None:
    """Alone it waits in the last tier again and again, since the API may be at fault; beside good orders it is dead."""
    environment = {**ONE_TRY, "JOURNEYS_ORDERS__RETRY_TIERS": "1s"}
    with open_shop(stack, namespace, environment=environment) as shop:
        order = "x-code77-n3-a"
        shop.place(order)
        worker = shop.crew.hire()
        worker.until("order.retried", times=3)
        assert shop.read(shop.dead_letters) == []
        good = [f"n2-{number}" for number in range(3)]
        left = iter(good)

        def dead() -> bool:
            shop.place(*islice(left, 1))
            return len(shop.read(shop.dead_letters)) == 1

        until(dead, "the dead letter")
        shop.place(*left)
        shop.until_published(len(good))
        assert worker.stop() == 0
        assert place_of_each(traces(shop)) == {
            **dict.fromkeys(good, PUBLISHED),
            order: Found(place=Place.DEAD_LETTER, reason="code-77"),
        }


# -- what does not fit


def test_api_drift_shows_in_metrics(stack: Stack, namespace: str) -> None:
    """Fields that do not fit are counted by name, rejected items too, and no order is blocked by them."""
    with open_shop(stack, namespace) as shop:
        odd = [f"x-odd-n12-{letter}" for letter in "abcdef"]
        rejected = ["x-nullevent-n4-a", "x-textevent-n4-b"]
        shop.place(*odd, *rejected, "n5-fine")
        worker = shop.crew.hire()
        address = address_of(worker)
        shop.until_published(9)
        until(lambda: measured(address)["journeys_orders_total"]["published",] == 9, "all to be counted")
        walk("The API drifts", worker, address)
        found = measured(address)
        assert worker.stop() == 0
        shop.audit([*odd, *rejected, "n5-fine"])
        records = [shop.decoder.decode(record.value or b"") for record in shop.read(*map(shop.topic, CHANNELS))]
        fields = Counter(re.sub(r"/\d+(?=/|$)", "/*", field) for record in records for field in record["misfits"])
        odd_fields = {"/cart_viewed/total_quantity", "/event_at", "/products/*", "/products/*/quantity"}
        assert odd_fields <= fields.keys()
        assert found["journeys_misfits_total"] == {(field,): times for field, times in fields.items()}
        items = [shop.decoder.decode(record.value or b"") for record in shop.read(shop.topic("rejected"))]
        rejected_items = {(item["order_id"], item["position"], json.dumps(json.loads(item["raw"]))) for item in items}
        assert rejected_items == {(order, 0, json.dumps(journey_of(order)[0])) for order in rejected}
        assert found["journeys_events_rejected_total"] == {(): 2}


def test_groups_with_one_retry_prefix_do_not_multiply_orders(stack: Stack, namespace: str) -> None:
    """Each group retries its own orders and leaves the other's alone: an absent journey has one summary per group."""
    environment = {"JOURNEYS_ORDERS__RETRY_TIERS": "1s", "JOURNEYS_API__EMPTY_AFTER": "[1]"}
    with open_shop(stack, namespace, environment=environment) as shop:
        put(shop, shop.orders, "x-404-n1-absent")
        groups = [f"{namespace}eu", f"{namespace}us"]
        workers = [shop.crew.hire(JOURNEYS_KAFKA__GROUP_ID=group) for group in groups]
        shop.until_published(2)
        for worker, other in zip(workers, reversed(groups), strict=True):
            assert [line["group"] for line in worker.until("retry.foreign")] == [other]
            foreign = measured(address_of(worker))["journeys_retries_foreign_total"]
            assert foreign == {(): 1}
            assert f"of the group {other}" in degraded(address_of(worker))["foreign"]
            if worker is workers[0]:
                walk("Two groups share retry topics", worker, address_of(worker))
        assert [worker.stop() for worker in workers] == [0, 0]
        retries = shop.read(*shop.tiers)
        assert sorted(record.header("retry-group") or "" for record in retries) == groups
        assert len(shop.summaries()["x-404-n1-absent"]) == 2


def test_probe_at_the_start_finds_a_refused_key(stack: Stack, namespace: str) -> None:
    """A worker without an order is unready for its key; with the right one it says so. No order is needed."""
    with open_shop(stack, namespace, environment={"JOURNEYS_API__PROBE": "on"}) as shop:
        refused = shop.crew.hire(JOURNEYS_API__KEY="wrong")
        [line] = refused.until("api.unauthorized")
        assert "status-401" in line["reason"]
        assert "auth" in reasons(address_of(refused))
        assert refused.stop() == 0
        accepted = shop.crew.hire()
        accepted.until("api.probed")
        assert "auth" not in reasons(address_of(accepted))
        assert accepted.stop() == 0
        assert shop.api.stats.requests == 2
