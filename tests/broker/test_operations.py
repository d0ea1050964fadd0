"""Running a worker for real: what it says when it cannot start, what it shows while it works, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from tests.broker.ops import address_of, measured, reasons, walk, walk_end
from tests.broker.shop import CHANNELS, KEY, Shop, open_shop
from tests.broker.workers import Crew, crew, until

import journeys
from journeys.producer.encoding.extension import language
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.stack.stack import Stack

QUICK_TRIES = {"JOURNEYS_API__TRIES": "2", "JOURNEYS_API__READ_TIMEOUT": "1s"}


def names(stack: Stack, namespace: str) -> dict[str, str]:
    """Settings of a worker for which nothing is set up yet."""
    return {
        **stack.environment,
        "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}group",
        "JOURNEYS_ORDERS__TOPICS": f"{namespace}orders",
        "JOURNEYS_ORDERS__RETRY_PREFIX": f"{namespace}retry.",
        "JOURNEYS_ORDERS__DEAD_LETTER": f"{namespace}dead-letter",
        "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"{namespace}journey.",
    }


def refusal(workers: Crew, **more: str) -> dict[str, Any]:
    """The last line of a worker that does not start: exit code 1, one line of reason, no trace."""
    worker = workers.hire(**more)
    assert worker.process.wait(30) == 1, worker.raw()
    (failed,) = worker.lines("worker.failed")
    assert worker.lines()[-1] == failed
    assert "Traceback" not in worker.raw()
    assert "\n" not in failed["reason"]
    return failed


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: it is taken, and no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# -- start


def test_each_startup_error_names_the_command_that_mends_it(stack: Stack, namespace: str, closed_port: int) -> None:
    """Following the remedies, one after the other, ends with a worker that works."""
    subject = f"{namespace}journey.email-value"
    with (
        crew(names(stack, namespace)) as workers,
        SchemaRegistryClient({"url": stack.registry.url, "timeout": 10}) as registry,
    ):
        topics = refusal(workers)
        walk_end("A worker does not start", workers.workers[0])
        assert f"{namespace}orders" in topics["reason"]
        assert f"{namespace}journey.email" in topics["reason"]
        assert topics["remedy"] == "journeys topics create"
        workers.setup(*topics["remedy"].split()[1:])

        closed = f"http://127.0.0.1:{closed_port}"
        registry_down = refusal(workers, JOURNEYS_REGISTRY__URL=closed)
        assert closed in registry_down["reason"]

        subjects = refusal(workers)
        assert f"{subject} (missing)" in subjects["reason"]
        assert subjects["remedy"] == "journeys schemas register"

        registry.register_schema(subject, Schema('{"type": "record", "name": "Foreign", "fields": []}', "AVRO"))
        registry.set_compatibility(subject, level="FULL_TRANSITIVE")
        foreign = refusal(workers)
        assert f"{subject} (differs, incompatible)" in foreign["reason"]

        registry.delete_subject(subject)
        workers.setup(*subjects["remedy"].split()[1:])
        worker = workers.hire()
        worker.until("orders.assigned")
        assert worker.stop() == 0


def test_an_unreachable_broker_is_named_at_startup(stack: Stack, namespace: str, closed_port: int) -> None:
    """The error gives the broker's address and the settings to look at."""
    address = f"127.0.0.1:{closed_port}"
    with crew(names(stack, namespace)) as workers:
        reason = refusal(workers, JOURNEYS_KAFKA__BOOTSTRAP_SERVERS=address)["reason"]
    assert f"no broker answers at {address}" in reason
    assert "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS" in reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"JOURNEYS_OPS__PORT": "high", "JOURNEYS_API__TRIES": "-1", "JOURNEYS_LOGS__LEVLE": "info"},
        {"JOURNEYS_KAFKA__CONFIG": '{"no.such.thing": 1}'},
        {"JOURNEYS_KAFKA__CONFIG": '{"transactional.id": "mine"}'},
    ],
    ids=["values", "librdkafka", "ours"],
)
def test_wrong_settings_end_with_code_2(stack: Stack, namespace: str, wrong: Mapping[str, str]) -> None:
    """The worker names each wrong setting on a line of its own."""
    with crew({**names(stack, namespace), **wrong}) as workers:
        worker = workers.hire()
        assert worker.process.wait(30) == 2
        complaints = [line for line in worker.raw().splitlines() if line.startswith("journeys: ")]
    assert sorted(line.split(": ")[1] for line in complaints) == sorted(wrong)


# -- health and metrics


def test_sigterm_ends_a_worker_that_waits_for_the_registry(stack: Stack, namespace: str, silent_port: int) -> None:
    """While the registry does not answer, the worker is alive and not ready; SIGTERM ends it with 0."""
    environment = {**names(stack, namespace), "JOURNEYS_REGISTRY__URL": f"http://127.0.0.1:{silent_port}"}
    with crew(environment) as workers:
        workers.setup("topics", "create")
        worker = workers.hire()
        address = address_of(worker)
        assert reasons(address, "/healthz") == {}
        assert sorted(reasons(address)) == ["group", "producer", "starting"]
        assert worker.stop() == 0
        assert worker.lines()[-1]["event"] == "worker.stopped"


def test_a_401_shuts_the_gate_until_the_key_is_right(stack: Stack, namespace: str, tmp_path: Path) -> None:
    """Orders wait while the API refuses the key; the right key, put in its file, opens the gate without a restart."""
    key = tmp_path / "key"
    key.write_text("wrong-key\n")
    environment = {"JOURNEYS_API__KEY": "", "JOURNEYS_API__KEY_FILE": str(key)}
    with open_shop(stack, namespace, environment=environment) as shop:
        worker = shop.crew.hire()
        address = address_of(worker)
        until(lambda: reasons(address) == {}, "readiness")
        shop.place("n3-gate", "n2-gate")
        walk("The key is refused", worker, address)
        assert reasons(address, "/healthz") == {}
        key.write_text(f"{KEY}\n")
        shop.until_published(2)
        assert reasons(address) == {}
        assert worker.stop() == 0
        assert "wrong-key" not in worker.raw()
        assert KEY not in worker.raw()
        shop.audit(["n3-gate", "n2-gate"])


def test_metrics_equal_the_published_records_and_requests(stack: Stack, namespace: str) -> None:
    """Counters equal the records in the topics and the requests to the API; lag and orders in hand return to zero."""
    fine = [f"order-{number}" for number in range(120)]
    often = {"JOURNEYS_KAFKA__CONFIG": '{"statistics.interval.ms": 200}'}
    with open_shop(stack, namespace, environment={**QUICK_TRIES, **often}) as shop:
        shop.place(*fine, "x-503-a", "x-400-a", "x-nullevent-n4-a", None)
        worker = shop.crew.hire()
        address = address_of(worker)
        shop.until_published(len(fine) + 1)
        until(lambda: len(shop.read(shop.dead_letters, shop.retries)) == 2, "the orders that failed")
        until(lambda: settled(measured(address), shop, waiting=1), "lag 0")
        until(lambda: reported(measured(address)), "statistics of librdkafka, with an empty queue")
        walk("Retries pile up", worker, address)
        walk("Dead letters appear", worker, address)
        found = measured(address)
        summaries = shop.summaries()
        assert found["journeys_orders_total"] == {
            ("published",): len(fine) + 1,
            ("retried",): 1,
            ("dead-lettered",): 1,
        }
        published = {(channel.value,): len(shop.read(shop.topic(channel))) for channel in CHANNELS}
        assert found["journeys_events_total"] == {label: count for label, count in published.items() if count}
        assert found["journeys_events_rejected_total"] == {(): 1}
        assert found["journeys_orders_skipped_total"] == {(): 1}
        assert found["journeys_pages_total"] == {(): sum(summary[0]["pages"] for summary in summaries.values())}
        assert sum(found["journeys_request_seconds_count"].values()) == shop.api.stats.requests
        assert found["journeys_transactions_total"]["committed",] == len(worker.lines("transaction.committed"))
        assert found["journeys_transaction_seconds_count"][()] == sum(found["journeys_transactions_total"].values())
        assert found["journeys_orders_waiting"] == {(): 1}
        assert found["journeys_orders_due"] == {(): 0}
        assert found["journeys_order_to_commit_seconds_count"] == {(): len(fine) + 1}
        assert found["journeys_request_failures_total"]["status-400",] == 1
        assert found["journeys_info"] == {(language(wanted=True), journeys.__version__): 1}
        assert found["journeys_partitions"] == {(): 12}
        assert found["journeys_rebalances_total"]["assigned",] >= 2, "in the group of the orders, and of the retries"
        answers, seconds = found["journeys_broker_requests_total"], found["journeys_broker_round_trip_seconds_total"]
        assert answers.keys() == seconds.keys() == {("1",)}, "all connections count under the broker's id"
        assert 0 < seconds["1",] < 60 * answers["1",]
        (started,) = worker.lines("worker.started")
        assert (started["encoder"], started["api"]) == (language(wanted=True), shop.api.url)
        assert worker.stop() == 0


def reported(found: Mapping[str, Mapping[tuple[str, ...], float]]) -> bool:
    """Whether librdkafka has reported answers of a broker, and an empty queue."""
    queued = found.get("journeys_producer_queue_records"), found.get("journeys_producer_queue_bytes")
    return sum(found.get("journeys_broker_requests_total", {}).values()) > 0 and queued == ({(): 0}, {(): 0})


def settled(found: Mapping[str, Mapping[tuple[str, ...], float]], shop: Shop, *, waiting: int = 0) -> bool:
    """Whether nothing is in hand, no order of the topic of orders is left, and so many retries wait."""
    lag = [value for labels, value in found["journeys_lag"].items() if shop.orders in labels]
    in_hand = found["journeys_orders_in_hand"][()] + found["journeys_requests_in_flight"][()]
    if found["journeys_orders_waiting"] != {(): waiting}:
        return False
    return len(lag) == 6 and sum(lag) + in_hand == 0 and found["journeys_bytes_in_hand"][()] < 1000


# -- logs


def test_logs_are_json_and_hold_no_secret(stack: Stack, namespace: str) -> None:
    """Every line is JSON, lines about orders name them, and none holds the key or any part of an event."""
    fine = [f"order-{number}" for number in range(150)] + ["x-odd-n12-a", "x-textevent-n4-a", "x-503x1-n5-a"]
    failing = ["x-503-a", "x-html-a", "x-text-a", "x-truncated-n5-a", "x-wrongtypes-n5-a"]
    with open_shop(stack, namespace, environment={**QUICK_TRIES, "JOURNEYS_PUBLISH__NATIVE": "false"}) as shop:
        shop.place(*fine, *failing, "x-400-a", b"\xff reader1@mail.example", None)
        worker = shop.crew.hire()
        shop.until_published(len(fine))
        until(lambda: len(shop.read(shop.dead_letters, shop.retries)) == len(failing) + 2, "the orders that failed")
        assert worker.stop() == 0
        raw = worker.raw()
        lines = [json.loads(line) for line in raw.splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    ids = {event: Counter(line["order_id"] for line in lines if line["event"] == event) for event in ORDER_LINES}
    assert ids["order.published"] == Counter(fine)
    assert ids["order.retried"] == Counter(failing)
    assert ids["order.dead_lettered"] == Counter(["x-400-a", None])
    assert [line["encoder"] for line in lines if line["event"] == "worker.started"] == ["python"]
    assert KEY not in raw
    assert "@" not in raw
    assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", raw)) <= {"127.0.0.1"}
    secret = {text for order in (*fine, *failing) for text in texts(journey_of(order)) if text != order}
    assert [text for text in secret if text in raw] == []


ORDER_LINES = ("order.published", "order.retried", "order.dead_lettered")


def texts(value: Any) -> Iterator[str]:
    """Every text in decoded JSON that is long enough to differ from a word of ours."""
    if isinstance(value, str):
        if len(value) > 5:
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_a_worker_without_standard_streams_works(stack: Stack, namespace: str) -> None:
    """As after `journeys run <&- >&- 2>&-`: it has no log, publishes, and ends with 0."""
    closed = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, '-m', 'journeys', 'run'])"
    with open_shop(stack, namespace) as shop:
        shop.place("order-1")
        worker = shop.crew.hire("-c", closed)
        shop.until_published(1)
        assert worker.stop() == 0
        assert worker.raw() == ""


def test_logs_are_readable_on_a_terminal(stack: Stack, namespace: str) -> None:
    """On a terminal each line begins with its event, and an error ends with its remedy."""
    screen, terminal = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    with open(screen, "rb", buffering=0) as reader:  # noqa: PTH123 - a file descriptor
        process = subprocess.Popen(
            [sys.executable, "-m", "journeys", "run"],
            env={**plain, **names(stack, namespace), "JOURNEYS_OPS__PORT": "0", "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
        )
        os.close(terminal)
        shown = re.sub(r"\x1b\[[0-9;]*m", "", b"".join(_until_closed(reader)).decode())
        assert process.wait(30) == 1
    assert "worker.starting" in shown
    assert "{" not in shown
    assert shown.splitlines()[-1] == "journeys: try: journeys topics create"


def _until_closed(reader: Any) -> Iterator[bytes]:
    """The output to a terminal, until no process has it open any more: Linux reports that by an error."""
    while True:
        try:
            piece = reader.read(65536)
        except OSError:
            return
        if not piece:
            return
        yield piece
