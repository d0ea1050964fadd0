"""`journeys dead-letters` on a real broker: what it shows, and that each letter is replayed once, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.broker.kafka_tools import Read, create_topics, produce_orders, read_committed
from tests.broker.shop import open_shop
from tests.broker.workers import until

from journeys.cli import main
from journeys.dead_letters.filters import Filter
from journeys.dead_letters.formats import data_of
from journeys.dead_letters.plan import Routing, plan
from journeys.dead_letters.replay import Replay, replay_publisher
from journeys.dead_letters.scan import Cabinet
from journeys.model import GroupOffsets, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.settings import Settings, load
from journeys_sandbox.stack.stack import Stack

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000


class OrderPool:
    """A topic of dead letters without a worker, and the commands in front of it."""

    def __init__(
        self,
        bootstrap_servers: str,
        namespace: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.orders, self.others = f"{namespace}orders", f"{namespace}others"
        self.letters, self.aside = f"{namespace}dead-letter", f"{namespace}aside"
        self.retries = f"{namespace}retry.1h"
        self.environment = {
            "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}group",
            "JOURNEYS_ORDERS__TOPICS": f"{self.orders},{self.others}",
            "JOURNEYS_ORDERS__RETRY_PREFIX": f"{namespace}retry.",
            "JOURNEYS_ORDERS__RETRY_TIERS": "1h",
            "JOURNEYS_ORDERS__DEAD_LETTER": self.letters,
            "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"{namespace}journey.",
        }
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        self._servers = bootstrap_servers
        self._capsys = capsys
        create_topics(bootstrap_servers, self.orders, self.others, self.letters, self.aside, partitions=2)

    @property
    def settings(self) -> Settings:
        """As the commands see them."""
        return load(None, os.environ)

    def put(
        self,
        orders: Iterable[str],
        *,
        reason: str | Sequence[str] = "status-400",
        source: str | None = None,
        at_ms: int = NOW_MS,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[str]:
        """Dead letters of these orders, one partition after the other; several reasons take turns in each."""
        placed = list(orders)
        producer = Producer({"bootstrap.servers": self._servers, "linger.ms": 5})
        reasons = [reason] if isinstance(reason, str) else reason
        for number, order in enumerate(placed):
            own: list[tuple[str, str | bytes | None]] = [
                *headers,
                ("error-reason", reasons[number // 2 % len(reasons)]),
                ("error-stage", "fetch"),
                ("error-message", "the API refuses this order"),
                ("error-attempts", "1"),
                ("error-topic", source or self.orders),
                ("error-partition", "0"),
                ("error-offset", str(number)),
                ("error-time", str(at_ms)),
            ]
            producer.produce(self.letters, order, order, partition=number % 2, headers=own)
        assert producer.flush(60) == 0
        return placed

    def read(self, topic: str) -> list[Read]:
        """All that is committed there."""
        return read_committed(self._servers, [topic])

    def replayed(self, topic: str | None = None) -> list[str]:
        """Orders that came back, sorted; one that came back twice is there twice."""
        return sorted((record.value or b"").decode() for record in self.read(topic or self.orders))

    def run(self, *arguments: str, code: int = 0) -> str:
        """A command; what it writes to stdout, or to stderr where it fails."""
        assert main(["dead-letters", *arguments]) == code
        told = self._capsys.readouterr()
        return told.err if code else told.out

    def answer(self, *arguments: str) -> Any:
        """A command's answer to a program."""
        return json.loads(self.run(*arguments, "--json"))

    def states(self) -> Counter[tuple[str, str]]:
        """How many letters there are of each reason and state."""
        return Counter((letter["reason"], letter["state"]) for letter in self.answer("list"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "journeys", "dead-letters", *arguments],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def pool(
    bootstrap_servers: str, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> OrderPool:
    """Topics of this test's own, and no setting of the developer's."""
    for name in [name for name in os.environ if name.startswith("JOURNEYS_") and "SANDBOX" not in name]:
        monkeypatch.delenv(name)
    return OrderPool(bootstrap_servers, namespace, monkeypatch, capsys)


def test_dead_letters_of_a_worker_are_listed_shown_exported_and_replayed(
    stack: Stack, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """From a worker's letters back to the worker: one order is published then, another becomes a letter again."""
    with open_shop(stack, namespace) as shop:
        for name, value in shop.crew.environment.items():
            monkeypatch.setenv(name, value)
        mended, hopeless = "x-400x1-n5-a", "x-400-b"
        shop.place(mended, hopeless, b"\xff\xfe")
        worker = shop.crew.hire()

        def letters() -> list[Read]:
            return shop.read(shop.dead_letters)

        def listed() -> list[dict[str, Any]]:
            assert main(["dead-letters", "list", "--json"]) == 0
            found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
            return found

        until(lambda: len(letters()) == 3, "the letters")
        assert {(letter["order"], letter["reason"], letter["state"]) for letter in listed()} == {
            (mended, "status-400", "pending"),
            (hopeless, "status-400", "pending"),
            ("\ufffd\ufffd", "message-unreadable", "pending"),
        }

        [first] = [letter for letter in listed() if letter["order"] == mended]
        assert main(["dead-letters", "show", first["position"], "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["value"] == {"text": mended}
        assert {"name": "error-reason", "value": {"text": "status-400"}} in shown["headers"]
        assert shown["source"].startswith(f"{shop.orders}/")

        file = tmp_path / "letters.jsonl"
        assert main(["dead-letters", "export", "--output", str(file)]) == 0
        exported = [json.loads(line) for line in file.read_text().splitlines()]
        assert Counter(
            (
                data_of(row["key"]),
                data_of(row["value"]),
                tuple((h["name"], data_of(h["value"])) for h in row["headers"]),
            )
            for row in exported
        ) == Counter((letter.key, letter.value, letter.headers) for letter in letters())

        assert main(["dead-letters", "replay", "--reason", "status-400", "--execute"]) == 0
        shop.until_published(1)
        until(lambda: len(letters()) == 4, "the letter that came again")
        [again] = [letter for letter in letters() if letter.header("replay-count")]
        assert ((again.value or b"").decode(), again.header("replay-count")) == (hopeless, "1")
        shop.audit([mended])
        assert main(["dead-letters", "replay", "--order", hopeless, "--execute"]) == 0
        until(lambda: len(letters()) == 5, "the letter that came a third time")
        assert sorted(filter(None, (letter.header("replay-count") for letter in letters()))) == ["1", "2"]
        assert worker.stop() == 0


def test_a_replay_dry_run_sends_nothing(pool: OrderPool) -> None:
    """A dry run counts by reason and by topic; without --execute nothing is sent or remembered."""
    pool.put([f"a{n}" for n in range(5)])
    pool.put(["b0"], reason="status-422", source=pool.others, at_ms=NOW_MS + 1)
    told = pool.answer("replay", "--limit", "5")
    assert told == {
        "executed": False,
        "letters": 5,
        "reasons": {"status-400": 5},
        "topics": {pool.orders: 5},
        "left": 1,
    }
    assert pool.answer("replay")["topics"] == {pool.orders: 5, pool.others: 1}
    assert "nothing was sent" in pool.run("replay")
    assert pool.read(pool.orders) == []
    assert pool.read(pool.others) == []
    assert pool.states() == {("status-400", "pending"): 5, ("status-422", "pending"): 1}


def test_a_replayed_order_is_the_original_message(pool: OrderPool) -> None:
    """Key, value and headers are the original's, the error headers are gone, and the replays are counted."""
    pool.put(["one"], headers=[("trace", "t"), ("replay-count", "1")])
    pool.run("replay", "--execute")
    [record] = pool.read(pool.orders)
    assert (record.key, record.value) == (b"one", b"one")
    assert record.headers == (("trace", b"t"), ("replay-count", b"2"))


def test_dead_letters_left_by_one_filter_are_replayed_by_another(pool: OrderPool) -> None:
    """Filters in any order replay each dead letter once, and find the newest behind the ones left before."""
    first = pool.put([f"a{n}" for n in range(40)])
    second = pool.put([f"b{n}" for n in range(40)], reason="status-422")
    third = pool.put([f"c{n}" for n in range(40)])
    told = pool.answer("replay", "--reason", "status-422", "--execute")
    assert told == {"executed": True, "letters": 40, "reasons": {"status-422": 40}, "left": 80}
    assert pool.replayed() == sorted(second)
    assert pool.states() == {("status-400", "pending"): 80, ("status-422", "replayed"): 40}
    assert pool.answer("replay", "--order", "c7", "--execute")["letters"] == 1
    assert pool.answer("replay", "--limit", "10", "--execute", "--batch-size", "3")["letters"] == 10
    fourth = pool.put(["d0"], reason="status-422")
    assert pool.answer("replay", "--reason", "status-422", "--execute")["left"] == 69
    assert pool.answer("replay", "--execute") == {
        "executed": True,
        "letters": 69,
        "reasons": {"status-400": 69},
        "left": 0,
    }
    assert pool.replayed() == sorted(first + second + third + fourth)
    assert pool.answer("replay", "--execute")["letters"] == 0


def test_a_killed_replay_goes_on_and_repeats_nothing(pool: OrderPool) -> None:
    """After SIGKILL behind the first transactions, the same command sends exactly the rest."""
    orders = pool.put(f"a{n}" for n in range(1000))
    process = pool.start("replay", "--execute", "--batch-size", "1")
    until(lambda: bool(pool.read(pool.orders)), "the first replayed order")
    process.kill()
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    told = pool.answer("replay", "--execute")
    assert 0 < told["letters"] < len(orders)
    assert told["left"] == 0
    assert pool.replayed() == sorted(orders)


def test_an_interrupted_replay_reports_exact_counts(pool: OrderPool) -> None:
    """On Ctrl-C the current batch ends first: the counts are exact, and the rest is sent later."""
    orders = pool.put(f"a{n}" for n in range(1000))
    process = pool.start("replay", "--execute", "--batch-size", "1", "--json")
    until(lambda: bool(pool.read(pool.orders)), "the first replayed order")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "the same command goes on" in err
    told = json.loads(out)
    assert told["letters"] == len(pool.read(pool.orders)) == len(orders) - told["left"]
    assert pool.answer("replay", "--execute")["letters"] == told["left"]
    assert pool.replayed() == sorted(orders)


def test_a_replay_interrupted_twice_reports_its_progress(pool: OrderPool) -> None:
    """A second Ctrl-C abandons the current batch; the same command finds out later whether it was sent."""
    orders = pool.put(f"a{n}" for n in range(1000))
    process = pool.start("replay", "--execute", "--batch-size", "1", "--json")
    until(lambda: bool(pool.read(pool.orders)), "the first replayed order")
    for each in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):  # stopped, it takes both at once
        process.send_signal(each)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted within a batch" in err
    told = json.loads(out)["letters"]
    rest = pool.answer("replay", "--execute")["letters"]
    assert told in (len(orders) - rest, len(orders) - rest - 1)
    assert pool.replayed() == sorted(orders)


def test_replay_works_with_either_group_protocol(pool: OrderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay joins no group; one protocol knows the positions remembered under the other."""
    orders = pool.put(f"a{n}" for n in range(10))
    assert pool.answer("replay", "--limit", "4", "--execute")["letters"] == 4
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_PROTOCOL", "consumer")
    assert pool.answer("replay", "--execute")["letters"] == 6
    assert pool.replayed() == sorted(orders)


def test_the_later_of_two_replays_fences_the_first(pool: OrderPool) -> None:
    """The first replay is fenced and reports it; together they replay each dead letter once."""
    orders = pool.put(f"a{n}" for n in range(1000))
    process = pool.start("replay", "--execute", "--batch-size", "1", "--json")
    until(lambda: bool(pool.read(pool.orders)), "the first replayed order")
    second = pool.answer("replay", "--execute")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "another replay of this group has begun" in err
    first = json.loads(out)
    assert first["letters"] + second["letters"] == len(orders)
    assert first["letters"] > 0
    assert pool.replayed() == sorted(orders)


class Amnesiac(Publisher):
    """A publisher that does what it is told, or not, and reports what it is told to report: each outcome once."""

    script: tuple[tuple[bool, Outcome], ...] = (
        (False, Outcome.ABORTED),
        (True, Outcome.UNKNOWN),
        (False, Outcome.UNKNOWN),
    )

    def publish(self, batches: Sequence[Iterable[Record]], groups: Sequence[GroupOffsets], *, timeout: float) -> Result:
        """As Publisher, but for the script."""
        if not self.script:
            return super().publish(batches, groups, timeout=timeout)
        (does, outcome), *rest = self.script
        self.script = tuple(rest)
        if does:
            assert super().publish(batches, groups, timeout=timeout).outcome is Outcome.COMMITTED
        return Result(outcome=outcome, reason="as scripted")


def test_a_replay_transaction_of_unknown_outcome_is_read_back(pool: OrderPool) -> None:
    """Records that were sent after all are counted and not sent again; the others are sent."""
    orders = pool.put(f"a{n}" for n in range(100))
    settings = pool.settings
    routing = Routing.of(settings, None)
    publisher = replay_publisher(settings, Amnesiac)
    assert isinstance(publisher, Amnesiac)
    with Cabinet(settings, now_ms=NOW_MS) as cabinet:
        found = cabinet.survey(Filter(), lambda _done, _total: None)
        work = plan(
            found,
            routing,
            existing=cabinet.existing,
            limit=None,
            forgotten=None,
            map_limit=settings.orders.map_limit,
            batch_size=7,
        )
        run = Replay(
            store=cabinet.store,
            publisher=publisher,
            routing=routing,
            map_limit=settings.orders.map_limit,
            batch_size=7,
            on=lambda _done, _total: None,
        )
        run.run(work)
    publisher.discard()
    assert publisher.script == ()
    assert run.replayed == {"status-400": len(orders)}
    assert pool.replayed() == sorted(orders)


def test_dead_letters_older_than_offset_retention_need_a_flag(pool: OrderPool) -> None:
    """No position is kept and they are older than Kafka keeps one: nobody can know, so nothing is sent unasked."""
    pool.put([f"old{n}" for n in range(4)], at_ms=NOW_MS - 10 * DAY_MS)
    new = pool.put([f"new{n}" for n in range(4)], reason="status-422")
    assert pool.states() == {("status-400", "unknown"): 4, ("status-422", "pending"): 4}
    assert "--forgotten" in pool.run("replay", "--reason", "status-422", "--execute", code=1)
    assert pool.read(pool.orders) == []
    told = pool.answer("replay", "--forgotten", "skip", "--execute")
    assert (told["letters"], told["left"]) == (4, 0)
    assert pool.replayed() == sorted(new)
    assert pool.states() == {("status-400", "replayed"): 4, ("status-422", "replayed"): 4}


def test_old_dead_letters_are_replayed_with_the_flag(pool: OrderPool) -> None:
    """The position is remembered from then on, so the command does not ask again."""
    old = pool.put([f"old{n}" for n in range(6)], at_ms=NOW_MS - 10 * DAY_MS)
    assert pool.answer("replay", "--forgotten", "replay", "--limit", "4", "--execute")["left"] == 2
    assert pool.answer("replay", "--execute")["letters"] == 2
    assert pool.replayed() == sorted(old)


def test_a_replay_whose_offset_map_would_not_fit_sends_nothing(
    pool: OrderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do, and what it says works."""
    monkeypatch.setenv("JOURNEYS_ORDERS__MAP_LIMIT", "64")
    orders = pool.put((f"a{n}" for n in range(1600)), reason=["status-400", "status-422"])
    told = pool.run("replay", "--reason", "status-422", "--execute", code=1)
    assert "JOURNEYS_ORDERS__MAP_LIMIT" in told
    assert "0/0" in told
    assert pool.read(pool.orders) == []
    assert pool.answer("replay", "--reason", "status-422", "--limit", "100", "--execute")["letters"] == 100
    pool.run("replay", "--reason", "status-400", "--to", pool.aside, "--limit", "100", "--execute")
    pool.run("replay", "--execute")
    assert len(pool.replayed(pool.aside)) == 100
    assert sorted(pool.replayed(pool.aside) + pool.replayed()) == sorted(orders)


def test_dead_letters_of_a_retry_tier_go_to_the_order_topic(pool: OrderPool) -> None:
    """Dead letters of a retry tier, or without a topic, go to the order topic; the tier's headers are removed."""
    pool.put(
        ["tier"],
        source=pool.retries,
        headers=[("edition", f"{pool.others}/1/5"), ("attempt", "2"), ("not-before", "5"), ("trace", "t")],
    )
    produce_orders(pool.environment["JOURNEYS_KAFKA__BOOTSTRAP_SERVERS"], pool.letters, ["nowhere"], partitions=2)
    assert pool.answer("replay", "--execute")["reasons"] == {"status-400": 1, "unnamed": 1}
    assert [(record.value, record.headers) for record in pool.read(pool.others)] == [
        (b"tier", (("trace", b"t"), ("replay-count", b"1")))
    ]
    assert pool.replayed() == ["nowhere"]


def test_dead_letters_of_an_unknown_topic_need_a_target(pool: OrderPool) -> None:
    """A dead letter's header alone names no target: only the settings or the operator do."""
    pool.put(["stray"], source="somebody.elses")
    assert "somebody.elses (1)" in pool.run("replay", "--execute", code=1)
    pool.run("replay", "--to", pool.aside, "--execute")
    assert pool.replayed(pool.aside) == ["stray"]


def test_missing_dead_letters_and_topics_are_reported(pool: OrderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position without a dead letter, a missing target and a missing dead letter topic each have an error."""
    pool.put(["one"])
    assert "0 to 1" in pool.run("show", "7/0", code=1)
    assert "no letter at 1/5" in pool.run("show", "1/5", code=1)
    assert "nowhere" in pool.run("replay", "--to", "nowhere", code=1)
    monkeypatch.setenv("JOURNEYS_ORDERS__DEAD_LETTER", "no-such-topic")
    assert "journeys topics create" in pool.run("list", code=1)


def test_the_order_filter_reads_ids_as_the_worker_does(
    pool: OrderPool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the id in its message; by its key where the registry that knows the message's schema is away."""
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", "http://127.0.0.1:1")
    pool.put(['{"order_id": 12345678901234567890}', "\x00\x00\x00\x00\x01abc"])
    assert main(["dead-letters", "list", "--json"]) == 0
    told = capsys.readouterr()
    assert [letter["order"] for letter in json.loads(told.out)] == ["12345678901234567890", "\x00\x00\x00\x00\x01abc"]
    assert "orders in Avro are named by their keys" in told.err
    assert pool.answer("replay", "--order", "12345678901234567890")["letters"] == 1


def test_dead_letters_are_listed_as_a_table_with_sums(pool: OrderPool) -> None:
    """The table has a line per dead letter, and below it the counts by reason and state."""
    assert pool.run("list") == "No letters.\n"
    pool.put(["one", "two", "three"], reason=["status-400", "status-422"])
    assert pool.run("list", "--reason", "status-40") == "No letter matches; pending in all: 3.\n"
    pool.run("replay", "--reason", "status-422", "--execute")
    told = pool.run("list", "--limit", "2")
    lines = [line.split() for line in told.splitlines()]
    assert [(line[0], line[-1]) for line in lines if "fetch" in line] == [("0/0", "pending"), ("0/1", "replayed")]
    assert "The 2 oldest of 3 are shown, all are counted:" in told
    counted = [["reason", "pending", "replayed", "letters"], ["status-400", "2", "0", "2"]]
    assert [line for line in lines if line and line[0] in ("reason", "status-400", "status-422", "all")] == [
        *counted,
        ["status-422", "0", "1", "1"],
        ["all", "2", "1", "3"],
    ]
    assert f"source        {pool.orders}/0/0" in pool.run("show", "0/0").splitlines()


def test_a_dead_letter_too_large_for_its_target_is_named(
    pool: OrderPool, bootstrap_servers: str, namespace: str
) -> None:
    """The dead letter stays pending, and the others can be replayed without it."""
    tight = f"{namespace}tight"
    create_topics(bootstrap_servers, tight, partitions=1, config={"max.message.bytes": "1000"})
    large = os.urandom(2000).hex()
    pool.put([large, "other", "small"])
    assert "max.message.bytes" in pool.run("replay", "--to", tight, "--execute", code=1)
    for order in ("other", "small"):
        pool.run("replay", "--order", order, "--to", tight, "--execute")
    assert pool.replayed(tight) == ["other", "small"]
    assert [letter["order"] for letter in pool.answer("list", "--pending")] == [large]
