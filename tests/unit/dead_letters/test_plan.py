"""What a replay sends and where, and that what does not fit is refused before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journeys.dead_letters.letters import Letter, Marks, State
from journeys.dead_letters.plan import Forgotten, MapFullError, Plan, Routing, Shelf, Survey, plan
from journeys.errors import SetupError
from journeys.model import Headers, OrderMessage, Position
from journeys.settings import Settings

ROUTING = Routing(orders=("orders", "orders.other"), tiers=frozenset({"orders.retry.1m"}))
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
        source=None,
        origin=None,
        replays=0,
        state=state,
    )


def survey(*letters: Letter, others: int = 0, end: int = 100) -> Survey:
    """A topic of two partitions with a letter at each offset; `letters` match, `others` do not."""
    unknown = [it.position for it in letters if it.state is State.UNKNOWN]
    return Survey(
        shelves=tuple(Shelf(partition=n, start=0, end=end, marks=Marks(watermark=0)) for n in range(2)),
        letters=letters,
        offsets={0: range(end), 1: range(end)},
        unknown={n: frozenset(at.offset for at in unknown if at.partition == n) for n in range(2)},
        pending=sum(it.state is not State.REPLAYED for it in letters) + others,
    )


def planned(
    found: Survey,
    routing: Routing = ROUTING,
    *,
    limit: int | None = None,
    forgotten: Forgotten | None = None,
    map_limit: int = 4000,
) -> Plan:
    """The plan of a replay."""
    return plan(found, routing, existing=TOPICS, limit=limit, forgotten=forgotten, map_limit=map_limit, batch_size=10)


def message(headers: Headers) -> OrderMessage:
    """A record of the dead-letter topic."""
    return OrderMessage(
        position=Position(topic="dead", partition=0, offset=1), key=b"k", value=b"v", headers=headers, timestamp_ms=1
    )


def test_a_plan_counts_what_it_sends_and_what_it_leaves() -> None:
    """By reason, by topic, and what stays pending; what was replayed before is no part of it."""
    found = survey(
        letter(1),
        letter(2, topic="orders.other"),
        letter(3, state=State.REPLAYED),
        letter(4, partition=1),
        others=5,
    )
    work = planned(found)
    assert (work.reasons, work.topics, work.left) == ({"odd": 1, "even": 2}, {"orders": 2, "orders.other": 1}, 5)
    assert [(leg.shelf.partition, leg.targets) for leg in work.legs] == [
        (0, {1: "orders", 2: "orders.other"}),
        (1, {4: "orders"}),
    ]


def test_a_limit_takes_the_oldest_of_all_partitions() -> None:
    """And the rest stays pending."""
    work = planned(survey(*(letter(n, partition=n % 2) for n in range(9))), limit=4)
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
def test_a_letter_goes_to_a_topic_of_orders(source: str | None, origin: str | None, target: str | None) -> None:
    """Where it came from; never into a retry tier; and nowhere that only its own headers name."""
    assert ROUTING.target(replace(letter(topic=source), origin=origin)) == target
    assert replace(ROUTING, to="aside").target(letter(topic=source)) == "aside"


def test_strange_and_missing_topics_are_refused() -> None:
    """Each is named, and what to do."""
    with pytest.raises(SetupError, match=r"journey\.ads \(2\).*--to"):
        planned(survey(letter(1, topic="journey.ads"), letter(2, topic="journey.ads")))
    with pytest.raises(SetupError, match=r"missing.*nowhere"):
        planned(survey(letter(1)), replace(ROUTING, to="nowhere"))


@pytest.mark.parametrize("topic", ["orders.dead-letter", "orders.retry.1m", "journey.ads"])
def test_a_worker_s_own_topics_are_no_targets(topic: str) -> None:
    """Letters would go round in circles, or be read as events."""
    with pytest.raises(ValueError, match=topic):
        Routing.of(Settings(), topic)
    assert Routing.of(Settings(), "aside").to == "aside"


def test_a_replayed_message_is_the_original_with_a_count() -> None:
    """The error's headers go, everybody else's stay, also those that only look like the error's or a tier's."""
    headers: Headers = (
        ("trace", b"1"),
        ("error-code", b"theirs"),
        ("attempt", b"theirs"),
        ("replay-count", b"1"),
        ("trace", None),
        ("error-reason", b"status-400"),
        ("error-topic", b"orders"),
    )
    record = ROUTING.record(message(headers), "orders")
    assert (record.topic, record.key, record.value) == ("orders", b"k", b"v")
    assert record.headers == [
        ("trace", b"1"),
        ("error-code", b"theirs"),
        ("attempt", b"theirs"),
        ("trace", None),
        ("replay-count", "2"),
    ]


@pytest.mark.parametrize("count", [b"", b"twice", b"-3"])
def test_a_count_that_says_nothing_begins_anew(count: bytes) -> None:
    """It is overwritten, not added to."""
    assert ROUTING.record(message((("replay-count", count),)), "orders").headers == [("replay-count", "1")]


def test_a_message_from_a_tier_leaves_the_tiers_headers_behind() -> None:
    """It was given up in the tier, before or beyond being understood: the headers are the worker's own."""
    headers: Headers = (
        ("trace", b"1"),
        ("edition", b"orders/0/1"),
        ("attempt", b"2"),
        ("not-before", b"7"),
        ("error-topic", b"orders.retry.1m"),
    )
    assert ROUTING.record(message(headers), "orders").headers == [("trace", b"1"), ("replay-count", "1")]


def test_a_map_that_would_not_fit_is_refused() -> None:
    """With what stands in the way; fewer letters fit."""
    odd = [letter(n) for n in range(1, 2000, 2)]
    with pytest.raises(MapFullError, match=r"0/0.*JOURNEYS_ORDERS__MAP_LIMIT.*--to TOPIC"):
        planned(survey(*odd, end=2000), map_limit=100)
    assert len(planned(survey(*odd, end=2000), map_limit=100, limit=200).letters) == 200
    assert len(planned(survey(*odd, end=2000), map_limit=400).letters) == len(odd)


def test_a_run_longer_than_a_map_may_tell_is_refused() -> None:
    """It would be short to write, and no later replay could read it."""
    letters = [letter(n) for n in range(1, 40_000)]
    with pytest.raises(MapFullError):
        plan(
            survey(*letters, end=40_000),
            ROUTING,
            existing=TOPICS,
            limit=None,
            forgotten=None,
            map_limit=4000,
            batch_size=10_000,
        )


def test_forgotten_letters_need_a_word_where_something_would_be_sent() -> None:
    """A commit there would make them look pending for ever after."""
    unknown = letter(1, state=State.UNKNOWN)
    with pytest.raises(SetupError, match=r"1 of them.*--forgotten"):
        planned(survey(unknown, letter(2)))
    assert len(planned(survey(letter(2, partition=1)), forgotten=None).letters) == 1
    assert planned(survey(unknown, letter(2)), forgotten="replay").left == 0
    skipped = planned(survey(unknown, letter(2), others=3), forgotten="skip")
    assert ([it.position.offset for it in skipped.letters], skipped.left) == ([2], 3)
    assert skipped.legs[0].marks.state(1, 0) is State.REPLAYED
