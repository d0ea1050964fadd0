"""The commands that need no worker, on a real broker."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.broker.kafka_tools import create_topics, read_committed
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import until
from tests.support.json_pages import differences

from journeys.cli import main
from journeys.kafka.partitioner import partition_of
from journeys_sandbox.stack.stack import Stack


def run(capsys: pytest.CaptureFixture[str], *command: str, code: int = 0) -> str:
    """Run a command that ends with `code`. Returns its stdout, or its stderr if `code` is not 0."""
    assert main(command) == code
    shown = capsys.readouterr()
    return shown.err if code else shown.out


def answer(capsys: pytest.CaptureFixture[str], *command: str) -> Any:
    """The JSON of a command, which is as its page says."""
    found = json.loads(run(capsys, *command, "--json"))
    name = " ".join(["journeys", command[0]])
    assert differences(name, found) == []
    return found


def test_interrupted_send_is_resumed_and_sends_each_order_once(
    bootstrap_servers: str,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The counts are exact, and key and partition are those that the workers' own records have."""
    topic = f"{namespace}orders"
    create_topics(bootstrap_servers, topic, partitions=3)
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.setenv("JOURNEYS_ORDERS__TOPICS", topic)
    orders = [f"A-{number}" for number in range(300)]
    file = tmp_path / "orders.csv"
    file.write_text("day;order_id\n" + "".join(f"1;{order}\n" for order in [*orders, "A-0", "A-1", ""]), "utf-8")
    command = ("send", "--file", str(file), "--column", "order_id")
    counts = {"topic": topic, "orders": 300, "repeated": 2, "blank": 1, "unreadable": 0, "sent_before": 0}
    assert answer(capsys, *command, "--dry-run") == {**counts, "sent": 0, "left": 300, "dry_run": True}

    def read() -> list[tuple[bytes | None, bytes | None, int]]:
        return [(each.key, each.value, each.partition) for each in read_committed(bootstrap_servers, [topic])]

    assert read() == []

    blocker = tmp_path / "orders.csv.sent.new"
    blocker.mkdir()  # the state of the run cannot be written
    assert "--resume" not in run(capsys, *command, code=1), "no order was sent, so there is nothing to resume"
    assert read() == []
    blocker.rmdir()

    def interrupt() -> None:
        until(lambda: bool(read()), "the first order")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    shown = run(capsys, *command, "--rate", "20", code=1)
    thread.join()
    assert "the same command with --resume sends the rest" in shown
    before = len(read())
    assert 0 < before < 300

    assert "stopped after" in run(capsys, *command, code=2)
    rest = answer(capsys, *command, "--resume")
    assert rest == {**counts, "sent_before": before, "sent": 300 - before, "left": 0, "dry_run": False}
    assert sorted(read()) == sorted(
        (order.encode(), order.encode(), partition_of(order.encode(), 3)) for order in orders
    )
    assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]

    assert run(capsys, "send", "A-0") == f"sent 1 order to {topic}\n"
    monkeypatch.setenv("JOURNEYS_ORDERS__TOPICS", f"{namespace}nowhere")
    assert "try: journeys topics create" in run(capsys, "send", "A-0", code=1)


PUBLISHED, REFUSED, FAILING, NEW = "n7-published", "x-400-refused", "x-503-failing", "n3-new"
"""An order in each state: published, a dead letter, in a retry tier, not read yet."""


@pytest.fixture
def shop(stack: Stack, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop with these four orders, whose worker has ended."""
    with open_shop(stack, namespace, environment={"JOURNEYS_API__TRIES": "1"}) as shop:
        for name, value in shop.crew.environment.items():
            monkeypatch.setenv(name, value)
        assert main(["send", PUBLISHED, REFUSED, FAILING]) == 0
        worker = shop.crew.hire()
        shop.until_published(1)
        until(lambda: bool(shop.read(shop.dead_letters)) and bool(shop.read(shop.retries)), "the others")
        assert worker.stop() == 0
        assert main(["send", NEW]) == 0
        yield shop


def test_every_order_is_found_where_it_is(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """No worker runs: the lag, the places of orders and the events come from Kafka alone."""
    capsys.readouterr()
    lag = answer(capsys, "lag", "--every", "100ms")
    assert (lag["orders"], lag["exact"], lag["retries"], lag["problems"]) == (1, True, 1, [])
    assert {row["topic"] for row in lag["partitions"]} == {shop.orders, shop.retries}
    assert (lag["published_per_s"], lag["catch_up_s"]) == (0.0, None)
    open_orders = {row["kind"]: row["oldest"] for row in lag["partitions"] if row["oldest"] is not None}
    assert {kind: oldest["order"] for kind, oldest in open_orders.items()} == {"orders": NEW, "retry": FAILING}
    assert open_orders["retry"]["due"] == lag["next_retry"] != open_orders["orders"]["due"]

    def found(order: str, code: int = 0, *options: str) -> dict[str, Any]:
        assert main(["show", order, *options, "--json"]) == code
        story: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert differences("journeys show", story) == []
        return story

    published = found(PUBLISHED)
    [edition] = published["editions"]
    assert (published["place"], edition["whole"], edition["edition"]) == (
        "published",
        True,
        published["messages"][0]["position"],
    )
    assert [event["position"] for event in published["journey"]] == list(range(7))
    assert {len(looked["partitions"]) for looked in published["looked"]} == {1}, "all topics are keyed by order id"
    assert found(PUBLISHED, 0, "--from-api", "--everywhere")["api"] == {"events": 7, "differences": []}
    refused = found(REFUSED, 1, "--from-api")
    assert (refused["place"], refused["dead_letters"][0]["reason"]) == ("dead-letter", "status-400")
    assert refused["api"] is None, "the API refuses this order, also now"
    assert refused["dead_letters"][0]["source"] == refused["messages"][0]["position"]
    failing = found(FAILING)
    [retry] = failing["retries"]
    assert (failing["place"], retry["reason"], retry["open"]) == ("retry", "status-503", True)
    assert retry["due"] == lag["next_retry"]
    assert found(NEW)["place"] == "open"

    def events(*options: str) -> list[dict[str, Any]]:
        assert main(["tail", "--since", "1h", "--json", *options]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [differences("journeys tail", line) for line in lines] == [[] for _ in lines]
        return lines

    shown = events("--no-follow")
    assert sorted(event["record"]["position"] for event in shown) == list(range(7))
    assert {event["record"]["order_id"] for event in shown} == {PUBLISHED}
    channel = shown[0]["channel"]
    assert events(channel, "--limit", "1")[0]["channel"] == channel, "it follows, and ends"
    [summary] = events("summary", "--no-follow")
    assert summary["record"]["edition"] == edition["edition"]
