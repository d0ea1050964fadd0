"""`journeys dead-letters` on a real broker: each letter is shown, and is replayed once through every failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.broker.kafka_tools import Read, create_topics, produce_orders, read_committed
from tests.broker.shop import open_shop
from tests.broker.workers import until
from tests.support.exported import data_of
from tests.support.json_pages import differences

from journeys.cli import main
from journeys.dead_letters.filters import Filter
from journeys.dead_letters.plan import Targets, plan_replay
from journeys.dead_letters.replay import Replay, replay_publisher
from journeys.dead_letters.topic import DeadLetterTopic
from journeys.model import GroupOffsets, Record
from journeys.producer.publisher import Outcome, Publisher, Result
from journeys.settings import Settings, load
from journeys_sandbox.stack.stack import Stack

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000


class DeadLetterBench:
    """A topic of dead letters without a worker, and the commands that read it."""

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
        """The settings that the commands load."""
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
        """Write a dead letter for each order, to both partitions in turn; several reasons alternate."""
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
        """The committed records of a topic."""
        return read_committed(self._servers, [topic])

    def replayed(self, topic: str | None = None) -> list[str]:
        """Orders in the order topic, sorted; an order that was sent twice is listed twice."""
        return sorted((record.value or b"").decode() for record in self.read(topic or self.orders))

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command that ends with `code`. Returns its stdout, or its stderr if `code` is not 0."""
        assert main(["dead-letters", *arguments]) == code
        answer = self._capsys.readouterr()
        return answer.err if code else answer.out

    def answer(self, *arguments: str) -> Any:
        """Run a command with --json. Returns its answer, which is as its page says."""
        found = json.loads(self.run(*arguments, "--json"))
        assert differences(f"journeys dead-letters {arguments[0]}", found) == []
        return found

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
def bench(
    bootstrap_servers: str, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> DeadLetterBench:
    """Topics for this test alone, and none of the developer's settings."""
    for name in [name for name in os.environ if name.startswith("JOURNEYS_") and "SANDBOX" not in name]:
        monkeypatch.delenv(name)
    return DeadLetterBench(bootstrap_servers, namespace, monkeypatch, capsys)


def test_letters_of_a_worker_are_listed_shown_exported_and_replayed(
    stack: Stack, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """After the replay, one order is published and another becomes a letter again."""
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
            assert differences("journeys dead-letters list", found) == []
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
        assert differences("journeys dead-letters show", shown) == []
        assert shown["value"] == {"text": mended}
        assert {"name": "error-reason", "value": {"text": "status-400"}} in shown["headers"]
        assert shown["source"].startswith(f"{shop.orders}/")

        file = tmp_path / "letters.jsonl"
        assert main(["dead-letters", "export", "--output", str(file)]) == 0
        exported = [json.loads(line) for line in file.read_text().splitlines()]
        assert [differences("journeys dead-letters show", letter) for letter in exported] == [[]] * 3
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


def test_newest_edition_of_a_replayed_order_is_its_last_reading(
    stack: Stack, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The greatest (fetched_at, edition) is the replay's, although the letter's worker had a clock an hour ahead."""
    with open_shop(stack, namespace) as shop:
        for name, value in shop.crew.environment.items():
            monkeypatch.setenv(name, value)
        order, ahead_ms = "n3-again", NOW_MS + 3_600_000
        shop.place(order)
        worker = shop.crew.hire()
        shop.until_published(1)
        written: list[tuple[str, str | bytes | None]] = [
            ("error-reason", "status-400"),
            ("error-topic", shop.orders),
            ("error-fetched-at", str(ahead_ms)),
        ]
        produce_orders(stack.broker.bootstrap_servers, shop.dead_letters, [order], headers=written)
        assert main(["dead-letters", "replay", "--execute"]) == 0
        shop.until_published(2)
        assert worker.stop() == 0
        newest = max(shop.summaries()[order], key=lambda summary: (summary["fetched_at"], summary["edition"]))
        [replayed] = [record for record in shop.read(shop.orders) if record.header("replay-count")]
        assert newest["edition"] == f"{replayed.topic}/{replayed.partition}/{replayed.offset}"
        assert newest["fetched_at"] == datetime.fromtimestamp((ahead_ms + 1) / 1000, UTC)


def test_dry_run_shows_the_plan_and_sends_nothing(bench: DeadLetterBench) -> None:
    """It counts letters by reason and topic; without --execute nothing is sent or committed."""
    bench.put([f"a{n}" for n in range(5)])
    bench.put(["b0"], reason="status-422", source=bench.others, at_ms=NOW_MS + 1)
    answer = bench.answer("replay", "--limit", "5")
    assert answer == {
        "executed": False,
        "letters": 5,
        "reasons": {"status-400": 5},
        "topics": {bench.orders: 5},
        "left": 1,
    }
    assert bench.answer("replay")["topics"] == {bench.orders: 5, bench.others: 1}
    assert "nothing was sent" in bench.run("replay")
    assert bench.read(bench.orders) == []
    assert bench.read(bench.others) == []
    assert bench.states() == {("status-400", "pending"): 5, ("status-422", "pending"): 1}


def test_replayed_order_is_the_original_message(bench: DeadLetterBench) -> None:
    """Key, value and headers are the original's; the error headers are removed, and replays are counted."""
    bench.put(["one"], headers=[("trace", "t"), ("replay-count", "1")])
    bench.run("replay", "--execute")
    [record] = bench.read(bench.orders)
    assert (record.key, record.value) == (b"one", b"one")
    assert record.headers == (("trace", b"t"), ("replay-count", b"2"))


def test_letters_passed_over_by_a_filter_stay_pending(bench: DeadLetterBench) -> None:
    """Replays with different filters send each letter once, also letters that arrive between them."""
    first = bench.put([f"a{n}" for n in range(40)])
    second = bench.put([f"b{n}" for n in range(40)], reason="status-422")
    third = bench.put([f"c{n}" for n in range(40)])
    answer = bench.answer("replay", "--reason", "status-422", "--execute")
    assert answer == {"executed": True, "letters": 40, "reasons": {"status-422": 40}, "left": 80}
    assert bench.replayed() == sorted(second)
    assert bench.states() == {("status-400", "pending"): 80, ("status-422", "replayed"): 40}
    assert bench.answer("replay", "--order", "c7", "--execute")["letters"] == 1
    assert bench.answer("replay", "--limit", "10", "--execute", "--batch-size", "3")["letters"] == 10
    fourth = bench.put(["d0"], reason="status-422")
    assert bench.answer("replay", "--reason", "status-422", "--execute")["left"] == 69
    assert bench.answer("replay", "--execute") == {
        "executed": True,
        "letters": 69,
        "reasons": {"status-400": 69},
        "left": 0,
    }
    assert bench.replayed() == sorted(first + second + third + fourth)
    assert bench.answer("replay", "--execute")["letters"] == 0


def test_killed_replay_resumes_without_repeating(bench: DeadLetterBench) -> None:
    """After SIGKILL, the same command sends exactly the rest."""
    orders = bench.put(f"a{n}" for n in range(1000))
    process = bench.start("replay", "--execute", "--batch-size", "1")
    until(lambda: bool(bench.read(bench.orders)), "the first replayed order")
    process.kill()
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    answer = bench.answer("replay", "--execute")
    assert 0 < answer["letters"] < len(orders)
    assert answer["left"] == 0
    assert bench.replayed() == sorted(orders)


def test_interrupted_replay_finishes_its_batch_and_counts(bench: DeadLetterBench) -> None:
    """Ctrl-C lets the current batch end: the counts are exact, and the rest can be sent later."""
    orders = bench.put(f"a{n}" for n in range(1000))
    process = bench.start("replay", "--execute", "--batch-size", "1", "--json")
    until(lambda: bool(bench.read(bench.orders)), "the first replayed order")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "the same command goes on" in err
    answer = json.loads(out)
    assert answer["letters"] == len(bench.read(bench.orders)) == len(orders) - answer["left"]
    assert bench.answer("replay", "--execute")["letters"] == answer["left"]
    assert bench.replayed() == sorted(orders)


def test_second_interrupt_ends_a_replay_within_a_batch(bench: DeadLetterBench) -> None:
    """The current batch may or may not be committed; the same command finds out."""
    orders = bench.put(f"a{n}" for n in range(1000))
    process = bench.start("replay", "--execute", "--batch-size", "1", "--json")
    until(lambda: bool(bench.read(bench.orders)), "the first replayed order")
    for each in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):  # stopped, it takes both at once
        process.send_signal(each)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted within a batch" in err
    answer = json.loads(out)["letters"]
    rest = bench.answer("replay", "--execute")["letters"]
    assert answer in (len(orders) - rest, len(orders) - rest - 1)
    assert bench.replayed() == sorted(orders)


def test_replay_works_under_both_group_protocols(bench: DeadLetterBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay joins no group; commits made under one protocol are read under the other."""
    orders = bench.put(f"a{n}" for n in range(10))
    assert bench.answer("replay", "--limit", "4", "--execute")["letters"] == 4
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_PROTOCOL", "consumer")
    assert bench.answer("replay", "--execute")["letters"] == 6
    assert bench.replayed() == sorted(orders)


def test_second_replay_fences_the_first(bench: DeadLetterBench) -> None:
    """The first ends with that reason; together they send each letter once."""
    orders = bench.put(f"a{n}" for n in range(1000))
    process = bench.start("replay", "--execute", "--batch-size", "1", "--json")
    until(lambda: bool(bench.read(bench.orders)), "the first replayed order")
    second = bench.answer("replay", "--execute")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "another replay of this group has begun" in err
    first = json.loads(out)
    assert first["letters"] + second["letters"] == len(orders)
    assert first["letters"] > 0
    assert bench.replayed() == sorted(orders)


class Amnesiac(Publisher):
    """A publisher that reports scripted outcomes, whether the transaction was committed or not."""

    script: tuple[tuple[bool, Outcome], ...] = (
        (False, Outcome.ABORTED),
        (True, Outcome.UNKNOWN),
        (False, Outcome.UNKNOWN),
    )

    def publish(
        self, batches: Sequence[Sequence[Record]], groups: Sequence[GroupOffsets], *, timeout_s: float
    ) -> Result:
        """Publish, or not, and report the next outcome of the script."""
        if not self.script:
            return super().publish(batches, groups, timeout_s=timeout_s)
        (does, outcome), *rest = self.script
        self.script = tuple(rest)
        if does:
            assert super().publish(batches, groups, timeout_s=timeout_s).outcome is Outcome.COMMITTED
        return Result(outcome=outcome, reason="as scripted")


def test_unknown_outcome_is_read_back(bench: DeadLetterBench) -> None:
    """Letters committed without our knowledge are counted and not sent again; the others are sent."""
    orders = bench.put(f"a{n}" for n in range(100))
    settings = bench.settings
    targets = Targets.of(settings, None)
    publisher = replay_publisher(settings, Amnesiac)
    assert isinstance(publisher, Amnesiac)
    with DeadLetterTopic(settings, now_ms=NOW_MS) as letters:
        work = plan_replay(
            letters.scan(Filter(), lambda _done, _total: None),
            targets,
            existing=letters.existing,
            limit=None,
            forgotten=None,
            map_limit=settings.orders.map_limit,
            batch_size=7,
        )
        run = Replay(
            letters=letters,
            publisher=publisher,
            targets=targets,
            map_limit=settings.orders.map_limit,
            batch_size=7,
            on=lambda _done, _total: None,
        )
        run.run(work)
    publisher.discard()
    assert publisher.script == ()
    assert run.replayed == {"status-400": len(orders)}
    assert bench.replayed() == sorted(orders)


def test_letters_older_than_kept_offsets_need_the_option_forgotten(bench: DeadLetterBench) -> None:
    """No commit is kept, and Kafka may have deleted one: nothing is sent without --forgotten."""
    bench.put([f"old{n}" for n in range(4)], at_ms=NOW_MS - 10 * DAY_MS)
    new = bench.put([f"new{n}" for n in range(4)], reason="status-422")
    assert bench.states() == {("status-400", "unknown"): 4, ("status-422", "pending"): 4}
    assert "--forgotten" in bench.run("replay", "--reason", "status-422", "--execute", code=1)
    assert bench.read(bench.orders) == []
    answer = bench.answer("replay", "--forgotten", "skip", "--execute")
    assert (answer["letters"], answer["left"]) == (4, 0)
    assert bench.replayed() == sorted(new)
    assert bench.states() == {("status-400", "replayed"): 4, ("status-422", "replayed"): 4}


def test_forgotten_replay_sends_old_letters(bench: DeadLetterBench) -> None:
    """From then on a commit is kept, so that the option is not needed again."""
    old = bench.put([f"old{n}" for n in range(6)], at_ms=NOW_MS - 10 * DAY_MS)
    assert bench.answer("replay", "--forgotten", "replay", "--limit", "4", "--execute")["left"] == 2
    assert bench.answer("replay", "--execute")["letters"] == 2
    assert bench.replayed() == sorted(old)


def test_replay_beyond_the_offset_map_limit_is_refused(bench: DeadLetterBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent; the error says what to do, and each of its suggestions works."""
    monkeypatch.setenv("JOURNEYS_ORDERS__MAP_LIMIT", "64")
    orders = bench.put((f"a{n}" for n in range(1600)), reason=["status-400", "status-422"])
    answer = bench.run("replay", "--reason", "status-422", "--execute", code=1)
    assert "JOURNEYS_ORDERS__MAP_LIMIT" in answer
    assert "0/0" in answer
    assert bench.read(bench.orders) == []
    assert bench.answer("replay", "--reason", "status-422", "--limit", "100", "--execute")["letters"] == 100
    bench.run("replay", "--reason", "status-400", "--to", bench.aside, "--limit", "100", "--execute")
    bench.run("replay", "--execute")
    assert len(bench.replayed(bench.aside)) == 100
    assert sorted(bench.replayed(bench.aside) + bench.replayed()) == sorted(orders)


def test_letters_from_a_tier_and_from_no_topic_go_to_the_order_topic(bench: DeadLetterBench) -> None:
    """A retry tier takes no letters; its headers are removed."""
    bench.put(
        ["tier"],
        source=bench.retries,
        headers=[("edition", f"{bench.others}/1/5"), ("attempt", "2"), ("not-before", "5"), ("trace", "t")],
    )
    produce_orders(bench.environment["JOURNEYS_KAFKA__BOOTSTRAP_SERVERS"], bench.letters, ["nowhere"], partitions=2)
    assert bench.answer("replay", "--execute")["reasons"] == {"status-400": 1, "unnamed": 1}
    assert [(record.value, record.headers) for record in bench.read(bench.others)] == [
        (b"tier", (("trace", b"t"), ("replay-count", b"1")))
    ]
    assert bench.replayed() == ["nowhere"]


def test_letters_of_an_unknown_topic_need_the_option_to(bench: DeadLetterBench) -> None:
    """A letter's header alone never chooses the topic: the settings or the operator do."""
    bench.put(["stray"], source="other.orders")
    assert "other.orders (1)" in bench.run("replay", "--execute", code=1)
    bench.run("replay", "--to", bench.aside, "--execute")
    assert bench.replayed(bench.aside) == ["stray"]


def test_topic_to_set_letters_aside_is_created_with_consent(bench: DeadLetterBench) -> None:
    """Without a terminal to ask at, only with --yes. Until then nothing is sent."""
    new = f"{bench.aside}.new"
    bench.put(["one"])
    assert new in bench.run("replay", "--to", new)
    assert "--yes" in bench.run("replay", "--to", new, "--execute", code=1)
    assert bench.states() == {("status-400", "pending"): 1}
    bench.run("replay", "--to", new, "--execute", "--yes")
    assert bench.replayed(new) == ["one"]


def test_missing_positions_and_topics_are_reported(bench: DeadLetterBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position without a letter, and a missing dead-letter topic."""
    bench.put(["one"])
    assert "0 to 1" in bench.run("show", "7/0", code=1)
    assert "no letter at 1/5" in bench.run("show", "1/5", code=1)
    monkeypatch.setenv("JOURNEYS_ORDERS__DEAD_LETTER", "no-such-topic")
    assert "journeys topics create" in bench.run("list", code=1)


def test_letters_are_named_by_the_order_id_in_the_message(
    bench: DeadLetterBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message in Avro is named by its key while the registry is unreachable."""
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", "http://127.0.0.1:1")
    bench.put(['{"order_id": 12345678901234567890}', "\x00\x00\x00\x00\x01abc"])
    assert main(["dead-letters", "list", "--json"]) == 0
    answer = capsys.readouterr()
    assert [letter["order"] for letter in json.loads(answer.out)] == ["12345678901234567890", "\x00\x00\x00\x00\x01abc"]
    assert "orders in Avro are named by their keys" in answer.err
    assert bench.answer("replay", "--order", "12345678901234567890")["letters"] == 1


def test_list_prints_a_table_and_totals(bench: DeadLetterBench) -> None:
    """It has a line per letter, and counts by reason and state below."""
    assert bench.run("list") == "No letters.\n"
    bench.put(["one", "two", "three"], reason=["status-400", "status-422"])
    assert bench.run("list", "--reason", "status-40") == "No letter matches; pending in all: 3.\n"
    bench.run("replay", "--reason", "status-422", "--execute")
    answer = bench.run("list", "--limit", "2")
    lines = [line.split() for line in answer.splitlines()]
    assert [(line[0], line[-1]) for line in lines if "fetch" in line] == [("0/0", "pending"), ("0/1", "replayed")]
    assert "The 2 oldest of 3 are shown, all are counted:" in answer
    counted = [["reason", "pending", "replayed", "letters"], ["status-400", "2", "0", "2"]]
    assert [line for line in lines if line and line[0] in ("reason", "status-400", "status-422", "all")] == [
        *counted,
        ["status-422", "0", "1", "1"],
        ["all", "2", "1", "3"],
    ]
    assert f"source        {bench.orders}/0/0" in bench.run("show", "0/0").splitlines()


def test_letter_too_large_for_its_target_is_named(
    bench: DeadLetterBench, bootstrap_servers: str, namespace: str
) -> None:
    """It stays pending, and the others can be replayed without it."""
    tight = f"{namespace}tight"
    create_topics(bootstrap_servers, tight, partitions=1, config={"max.message.bytes": "1000"})
    large = os.urandom(2000).hex()
    bench.put([large, "other", "small"])
    assert "max.message.bytes" in bench.run("replay", "--to", tight, "--execute", code=1)
    for order in ("other", "small"):
        bench.run("replay", "--order", order, "--to", tight, "--execute")
    assert bench.replayed(tight) == ["other", "small"]
    assert [letter["order"] for letter in bench.answer("list", "--pending")] == [large]
