"""The plan of a replay: letters, topics, batches, and refusals before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journeys.dead_letters.letters import Letter, ReplayedOffsets, State
from journeys.dead_letters.plan import Forgotten, MapFullError, ReplayPlan, Targets, plan_replay
from journeys.dead_letters.scan import PartitionScan, Scan
from journeys.errors import SetupError
from journeys.model import Headers, OrderMessage, Position
from journeys.settings import Settings

TARGETS = Targets(orders=("orders", "orders.other"), tiers=frozenset({"orders.retry.1m"}))
TOPICS = ("orders", "orders.other", "aside")


def letter(
    offset: int = 0, *, partition: int = 0, topic: str | None = "orders", state: State = State.PENDING
) -> Letter:
    """A letter, the older the lower its offset."""
    return Letter(
        position=Position(topic="dead", partition=partition, offset=offset),
        at_ms=offset,
        reason="even" if offset % 2 == 0 else "odd",
        stage="fetch",
        text=None,
        attempts=1,
        order=None,
        topic=topic,
        group=None,
        source=None,
        origin=None,
        replays=0,
        state=state,
    )


def scan(*letters: Letter, others: int = 0, end: int = 100) -> Scan:
    """A topic of two partitions with a letter at each offset; `letters` match, `others` do not."""
    unknown = [it.position for it in letters if it.state is State.UNKNOWN]
    return Scan(
        partitions=tuple(
            PartitionScan(
                partition=n,
                start=0,
                end=end,
                replayed=ReplayedOffsets(watermark=0),
                offsets=range(end),
                unknown=frozenset(at.offset for at in unknown if at.partition == n),
            )
            for n in range(2)
        ),
        letters=letters,
        pending=sum(it.state is not State.REPLAYED for it in letters) + others,
    )


def planned(
    found: Scan,
    targets: Targets = TARGETS,
    *,
    limit: int | None = None,
    forgotten: Forgotten | None = None,
    map_limit: int = 4000,
) -> ReplayPlan:
    """The plan of a replay."""
    return plan_replay(
        found, targets, existing=TOPICS, limit=limit, forgotten=forgotten, map_limit=map_limit, batch_size=10
    )


def message(headers: Headers) -> OrderMessage:
    """A record of the dead-letter topic."""
    return OrderMessage(
        position=Position(topic="dead", partition=0, offset=1), key=b"k", value=b"v", headers=headers, timestamp_ms=1
    )


def test_plan_counts_letters_by_reason_and_topic() -> None:
    """It also counts the letters that stay pending; letters replayed before are in no count."""
    found = scan(
        letter(1),
        letter(2, topic="orders.other"),
        letter(3, state=State.REPLAYED),
        letter(4, partition=1),
        others=5,
    )
    work = planned(found)
    assert (work.reasons, work.topics, work.left) == ({"odd": 1, "even": 2}, {"orders": 2, "orders.other": 1}, 5)
    assert [(each.partition, each.targets) for each in work.partitions] == [
        (0, {1: "orders", 2: "orders.other"}),
        (1, {4: "orders"}),
    ]


def test_limit_takes_the_oldest_of_all_partitions() -> None:
    """The rest stays pending."""
    work = planned(scan(*(letter(n, partition=n % 2) for n in range(9))), limit=4)
    assert [it.position.offset for it in work.letters] == [0, 1, 2, 3]
    assert work.left == 5


@pytest.mark.parametrize(
    ("source", "origin", "target"),
    [
        ("orders.other", None, "orders.other"),
        (None, None, "orders"),
        ("orders.retry.1m", "orders.other", "orders.other"),
        ("orders.retry.1m", None, "orders"),
        ("orders.retry.1m", "journey.ads", "orders"),
        ("journey.ads", None, None),
    ],
)
def test_letter_goes_back_to_an_order_topic(source: str | None, origin: str | None, target: str | None) -> None:
    """Never into a retry tier, and never to a topic that only its headers name."""
    assert TARGETS.topic(replace(letter(topic=source), origin=origin)) == target
    assert replace(TARGETS, to="aside").topic(letter(topic=source)) == "aside"


def test_unknown_and_missing_topics_are_refused() -> None:
    """The error names each topic and the option that helps."""
    with pytest.raises(SetupError, match=r"journey\.ads \(2\).*--to"):
        planned(scan(letter(1, topic="journey.ads"), letter(2, topic="journey.ads")))
    with pytest.raises(SetupError, match=r"missing.*nowhere"):
        planned(scan(letter(1)), replace(TARGETS, to="nowhere"))


@pytest.mark.parametrize("topic", ["orders.dead-letter", "journeys.retry.1m", "journey.ads"])
def test_topics_that_the_worker_writes_are_refused_as_targets(topic: str) -> None:
    """Letters would come back as letters, or be read as events."""
    with pytest.raises(ValueError, match=topic):
        Targets.of(Settings(), topic)
    assert Targets.of(Settings(), "aside").to == "aside"
    assert Targets.of(Settings(), "journey.orders").to == "journey.orders"


def test_replayed_message_is_the_original_with_a_count() -> None:
    """Error headers are removed; the user's headers stay, also those with names like ours."""
    headers: Headers = (
        ("trace", b"1"),
        ("error-code", b"theirs"),
        ("attempt", b"theirs"),
        ("replay-count", b"1"),
        ("trace", None),
        ("error-reason", b"status-400"),
        ("error-topic", b"orders"),
    )
    record = TARGETS.record(message(headers), "orders")
    assert (record.topic, record.key, record.value) == ("orders", b"k", b"v")
    assert record.headers == [
        ("trace", b"1"),
        ("error-code", b"theirs"),
        ("attempt", b"theirs"),
        ("trace", None),
        ("replay-count", "2"),
    ]


@pytest.mark.parametrize("count", [b"", b"twice", b"-3"])
def test_unreadable_replay_count_starts_again_at_one(count: bytes) -> None:
    """The new count replaces it."""
    assert TARGETS.record(message((("replay-count", count),)), "orders").headers == [("replay-count", "1")]


def test_replay_removes_retry_headers_of_a_letter_from_a_tier() -> None:
    """The message failed in the tier, so these headers are the worker's own."""
    headers: Headers = (
        ("trace", b"1"),
        ("edition", b"orders/0/1"),
        ("attempt", b"2"),
        ("not-before", b"7"),
        ("error-topic", b"orders.retry.1m"),
    )
    assert TARGETS.record(message(headers), "orders").headers == [("trace", b"1"), ("replay-count", "1")]


@pytest.mark.parametrize(
    ("headers", "carried"),
    [
        ((("error-fetched-at", b"9"),), ["9"]),
        ((("error-fetched-at", b"9"), ("replay-fetched-at", b"7")), ["9"]),
        ((("replay-fetched-at", b"7"),), ["7"]),
        ((), []),
    ],
)
def test_replay_carries_the_last_fetched_at(headers: Headers, carried: list[str]) -> None:
    """The letter's is the newest; a letter of an unreadable message has only that of an earlier replay."""
    found = TARGETS.record(message(headers), "orders").headers
    assert [value for name, value in found if name == "replay-fetched-at"] == carried


def test_plan_beyond_the_offset_map_limit_is_refused() -> None:
    """The error names the first letter that stays pending; fewer letters fit."""
    odd = [letter(n) for n in range(1, 2000, 2)]
    with pytest.raises(MapFullError, match=r"0/0.*JOURNEYS_ORDERS__MAP_LIMIT.*--to TOPIC"):
        planned(scan(*odd, end=2000), map_limit=100)
    assert len(planned(scan(*odd, end=2000), map_limit=100, limit=200).letters) == 200
    assert len(planned(scan(*odd, end=2000), map_limit=400).letters) == len(odd)


def test_run_longer_than_an_offset_map_can_hold_is_refused() -> None:
    """Its map would be short, but no later replay could read it."""
    letters = [letter(n) for n in range(1, 40_000)]
    with pytest.raises(MapFullError):
        plan_replay(
            scan(*letters, end=40_000),
            TARGETS,
            existing=TOPICS,
            limit=None,
            forgotten=None,
            map_limit=4000,
            batch_size=10_000,
        )


def test_unknown_letters_need_the_option_forgotten() -> None:
    """It is needed only in partitions with letters to send: a commit there would show unknown letters as pending."""
    unknown = letter(1, state=State.UNKNOWN)
    with pytest.raises(SetupError, match=r"1 of them.*--forgotten"):
        planned(scan(unknown, letter(2)))
    assert len(planned(scan(letter(2, partition=1)), forgotten=None).letters) == 1
    assert planned(scan(unknown, letter(2)), forgotten="replay").left == 0
    skipped = planned(scan(unknown, letter(2), others=3), forgotten="skip")
    assert ([it.position.offset for it in skipped.letters], skipped.left) == ([2], 3)
    assert skipped.partitions[0].replayed.state(1, 0) is State.REPLAYED
