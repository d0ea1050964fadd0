"""A broken message ends in its place, on a real broker, and nothing around it is lost."""

from __future__ import annotations

from collections import Counter

from tests.broker.kafka_tools import produce_orders, produce_with_header
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys_sandbox.stack.stack import Stack

ENVIRONMENT = {"JOURNEYS_API__TRIES": "2", "JOURNEYS_API__READ_TIMEOUT": "1s"}


def test_each_bad_order_message_is_a_dead_letter(stack: Stack, namespace: str) -> None:
    """An unreadable message keeps its key, value and headers in its dead letter, with the reason; a null is skipped."""
    bad: dict[bytes, str] = {
        b"": "message-empty",
        b"\xff\xfe": "message-unreadable",
        b'{"id": 1}': "message-unreadable",
        b"{": "message-unreadable",
        b"x" * 1_000_000: "order-id-too-long",
        b"\x00\x00\x00\x00\x01": "message-unreadable",
        b"\x00\x00\x0f\xff\xffbody": "message-unreadable",
    }
    good = ["n3-plain", "n2-other"]
    with open_shop(stack, namespace, environment=ENVIRONMENT) as shop:
        shop.place(good[0], *bad, None, b'{"order_id": "n2-other"}')
        worker = shop.crew.hire()
        shop.until_published(2)
        until(lambda: len(shop.read(shop.dead_letters)) >= len(bad), "the dead letters")
        worker.until("order.skipped")
        assert worker.stop() == 0
        letters = shop.read(shop.dead_letters)
        assert {letter.value or b"": letter.header("error-reason") for letter in letters} == bad
        assert len(letters) == len(bad)
        for letter in letters:
            assert letter.key == letter.value
            assert letter.header("error-topic") == shop.orders
            assert letter.header("error-stage") == "message"
        shop.audit(good)


def test_a_header_name_that_is_not_utf8_does_not_block_its_order(stack: Stack, namespace: str) -> None:
    """Kafka takes any bytes as a header name. The order is published; if it fails, its dead letter lacks the header."""
    good, dies = "n2-good", "x-400-n2-dies"
    with open_shop(stack, namespace, environment=ENVIRONMENT) as shop:
        for order in (good, dies):
            produce_with_header(stack.broker.bootstrap_servers, shop.orders, order.encode(), b"\xff\x80")
        worker = shop.crew.hire()
        shop.until_published(1)
        until(lambda: len(shop.read(shop.dead_letters)) >= 1, "the dead letter")
        assert worker.stop() == 0
        [letter] = shop.read(shop.dead_letters)
        assert (letter.value, letter.headers[0]) == (dies.encode(), ("headers-unreadable", None))
        shop.audit([good])


def test_a_message_too_large_for_its_dead_letter_blocks_no_order(stack: Stack, namespace: str) -> None:
    """A compressed message may be too large unpacked: its dead letter keeps the headers and leaves the message out."""
    servers = stack.broker.bootstrap_servers
    with open_shop(stack, namespace, environment=ENVIRONMENT) as shop:
        produce_orders(servers, shop.orders, [b"x" * 2**24], partitions=1, compression="gzip")
        shop.place("n2-good")
        worker = shop.crew.hire()
        shop.until_published(1)
        until(lambda: len(shop.read(shop.dead_letters)) >= 1, "the dead letter")
        assert worker.stop() == 0
        [letter] = shop.read(shop.dead_letters)
        assert (letter.key, letter.value) == (None, b"")
        assert (letter.header("error-reason"), letter.header("error-left-out")) == ("order-id-too-long", str(2 * 2**24))
        shop.audit(["n2-good"])


def test_each_api_fault_ends_in_a_retry_tier_or_a_dead_letter(stack: Stack, namespace: str) -> None:
    """Passing faults go to a retry tier, refusals to the dead letters; the orders around them are published."""
    retried = [
        "x-503-a",
        "x-408-a",
        "x-html-a",
        "x-text-a",
        "x-truncated-n5-a",
        "x-hangup-a",
        "x-reset-a",
        "x-silent-a",
        "x-nodatap2-n150-a",
        "x-noevents-n5-a",
        "x-wrongtypes-n5-a",
        "x-wrongorder-n5-a",
        "x-wrongpage-n5-a",
        "x-code2-a",
    ]
    refused = ["x-400-a", "x-422-a", "n20000-a"]
    fine = [
        "n5-a",
        "x-503x1-n5-b",
        "x-htmlx1-n5-b",
        "x-truncatedx1-n205-b",
        "x-hangupx1-n5-b",
        "x-429s1x2-n5-b",
        "x-429d1x1-n5-b",
        "x-cap7-n50-b",
        "x-grow3-n150-b",
        "x-shrink2-n150-b",
        "x-nullevent-n5-b",
        "x-textevent-n5-b",
        "x-odd-n5-b",
    ]
    with open_shop(stack, namespace, environment=ENVIRONMENT) as shop:
        shop.place(*retried, *refused, *fine)
        worker = shop.crew.hire()
        shop.until_published(len(fine))
        until(lambda: len(shop.read(shop.retries)) >= len(retried), "the retries")
        until(lambda: len(shop.read(shop.dead_letters)) >= len(refused), "the dead letters")
        assert worker.stop() == 0
        shop.audit(fine)
        assert Counter((record.value or b"").decode() for record in shop.read(shop.retries)) == Counter(retried)
        for record in shop.read(shop.retries):
            assert (record.header("attempt"), record.header("account")) == ("1", "default")
            assert (record.header("edition") or "").startswith(f"{shop.orders}/")
        letters = {
            (letter.value or b"").decode(): letter.header("error-reason") for letter in shop.read(shop.dead_letters)
        }
        assert letters == {"x-400-a": "status-400", "x-422-a": "status-422", "n20000-a": "journey-too-large"}


def test_overlapping_pages_publish_each_event_once(stack: Stack, namespace: str) -> None:
    """Pages that repeat an event of the page before are read again; the event is published and counted once."""
    with open_shop(stack, namespace, environment=ENVIRONMENT) as shop:
        order = "x-repeat1-n150-a"
        shop.place(order)
        worker = shop.crew.hire()
        shop.until_published(1)
        assert worker.stop() == 0
        shop.audit([order])
        [summary] = shop.summaries()[order]
        assert summary["repeated"] == 1
        assert shop.api.stats.requests_of(order) == 4


def test_a_total_that_never_matches_is_published_as_inconsistent(stack: Stack, namespace: str) -> None:
    """If `total` differs from the events in the same way each time, they are published with `consistent` false."""
    with open_shop(stack, namespace, environment=ENVIRONMENT) as shop:
        order = "x-restless-n150-a"
        shop.place(order)
        worker = shop.crew.hire()
        shop.until_published(1)
        assert worker.stop() == 0
        [summary] = shop.summaries()[order]
        assert (summary["consistent"], sum(summary["expected"].values())) == (False, 150)


def test_a_refused_api_key_delays_orders_and_loses_none(stack: Stack, namespace: str) -> None:
    """A wrong key publishes nothing and makes no dead letter; the worker finds the right key once it is in its file."""
    with open_shop(stack, namespace) as shop:
        key_file = shop.directory / "key"
        key_file.write_text("wrong")
        orders = [f"n3-{number}" for number in range(20)]
        shop.place(*orders)
        worker = shop.crew.hire(JOURNEYS_API__KEY="", JOURNEYS_API__KEY_FILE=str(key_file))
        worker.until("api.unauthorized")
        assert shop.read(shop.topic("summary"), shop.retries, shop.dead_letters) == []
        key_file.write_text("sandbox-key\n")
        shop.until_published(len(orders))
        worker.until("api.authorized")
        assert worker.stop() == 0
        assert "wrong" not in worker.raw()
        shop.audit(orders)


def test_a_retry_is_published_when_it_is_due(stack: Stack, namespace: str) -> None:
    """An order that fails its quick tries comes back from its retry tier under the same edition and is published."""
    environment = {**ENVIRONMENT, "JOURNEYS_ORDERS__RETRY_TIERS": "2s,1h"}
    with open_shop(stack, namespace, environment=environment) as shop:
        orders = ["x-503x2-n5-a", "x-503x3-n5-b", "n4-c"]
        shop.place(*orders)
        worker = shop.crew.hire()
        shop.until_published(len(orders))
        assert worker.stop() == 0
        shop.audit(orders)
        for [summary] in shop.summaries().values():
            assert summary["edition"].startswith(f"{shop.orders}/")
            assert summary["source_topic"] == shop.orders


def test_a_404_waits_and_is_then_published_as_empty(stack: Stack, namespace: str) -> None:
    """404, no data and no events wait as long as EMPTY_AFTER says; then an empty summary is published."""
    environment = {"JOURNEYS_ORDERS__RETRY_TIERS": "1s", "JOURNEYS_API__EMPTY_AFTER": "1s"}
    with open_shop(stack, namespace, environment=environment) as shop:
        shop.place("n0-a", "x-404-n3-b", "x-404x1-n3-c", "x-nodata-n3-d")
        worker = shop.crew.hire()
        shop.until_published(4)
        assert worker.stop() == 0
        totals = {order: found[0]["api_total"] for order, found in shop.summaries().items()}
        assert totals == {"n0-a": 0, "x-404-n3-b": 0, "x-404x1-n3-c": 3, "x-nodata-n3-d": 0}
        assert shop.read(shop.dead_letters) == []
        assert len(worker.lines("order.retried")) == 4
