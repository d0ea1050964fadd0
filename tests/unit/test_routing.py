"""Where an order goes that cannot be published now."""

from __future__ import annotations

import pytest
from msgspec import structs

from journeys.dead_letters.plan import Targets
from journeys.errors import NotFoundYetError, OrderError, RejectedOrderError, TransientError
from journeys.model import Headers, Order, OrderMessage, Position
from journeys.routing import Routes, route_failure, strip_letter

ROUTES = Routes(
    group="journeys",
    retry_tiers=(("orders.retry.1m", 60.0), ("orders.retry.10m", 600.0), ("orders.retry.1h", 3600.0)),
    dead_letter="orders.dead-letter",
    empty_after=(60.0, 600.0),
)
PASSING = TransientError("the API answered 503", reason="status-503")
REFUSED = RejectedOrderError("the API refuses this order: 400", reason="status-400")
ABSENT = NotFoundYetError("no journey", reason="no-journey")


def order(*, attempt: int = 0, absences: int = 0, headers: Headers = ()) -> Order:
    """An order that has been through so many retries."""
    message = OrderMessage(
        position=Position(topic="orders.completed", partition=1, offset=5),
        key=b"k",
        value=b"A-1",
        headers=headers,
        timestamp_ms=7,
    )
    return Order(
        order_id="A-1",
        account="default",
        edition="orders.completed/1/5",
        timestamp_ms=7,
        attempt=attempt,
        absences=absences,
        message=message,
    )


def routed(of: Order, error: OrderError) -> tuple[str, dict[str, str | bytes | None]]:
    """The topic an order goes to, and its headers; a header that occurs twice is a failure."""
    record, _ = route_failure(of.message, of, error, ROUTES, now_ms=1_000_000)
    headers = dict(record.headers)
    assert len(headers) == len(record.headers)
    assert (record.key, record.value) == (of.message.key, of.message.value)
    return record.topic, headers


def test_each_attempt_goes_one_retry_tier_further_then_to_the_dead_letters() -> None:
    """A fault that persists climbs the retry tiers, each with its own delay."""
    assert [routed(order(attempt=n), PASSING)[0] for n in range(4)] == [
        "orders.retry.1m",
        "orders.retry.10m",
        "orders.retry.1h",
        "orders.dead-letter",
    ]


def test_a_retry_overwrites_its_own_headers_and_keeps_the_others() -> None:
    """Our headers are replaced, never appended; the others stay."""
    headers = (("trace", b"t"), ("attempt", b"1"), ("not-before", b"3"), ("edition", b"orders.completed/1/5"))
    assert routed(order(attempt=1, headers=headers), PASSING) == (
        "orders.retry.10m",
        {
            "trace": b"t",
            "account": "default",
            "edition": "orders.completed/1/5",
            "order-timestamp": "7",
            "attempt": "2",
            "absences": "0",
            "not-before": "1600000",
            "retry-reason": "status-503",
            "fetched-at": "1000000",
            "revision": "0",
            "retry-group": "journeys",
        },
    )


def test_an_absent_journey_waits_as_long_as_empty_after_says() -> None:
    """Absences follow EMPTY_AFTER, with any faults in between, and then an empty journey is accepted."""
    assert routed(order(attempt=2, absences=0), ABSENT)[1]["not-before"] == "1060000"
    assert routed(order(attempt=1, absences=1), ABSENT)[0] == "orders.retry.10m"
    assert not ROUTES.accepts_empty(order(absences=1))
    assert ROUTES.accepts_empty(order(attempt=2, absences=2))


def test_a_fault_after_an_absence_still_has_every_retry_tier() -> None:
    """Attempts that found no journey do not count as faults."""
    assert routed(order(attempt=2, absences=2), PASSING)[0] == "orders.retry.1m"


def test_a_dead_letter_keeps_the_original_message_and_its_error() -> None:
    """Key, value and headers are the original's; the error headers stand beside them."""
    headers = (("trace", b"t"), ("attempt", b"not ours"))
    assert routed(order(headers=headers), REFUSED) == (
        "orders.dead-letter",
        {
            "trace": b"t",
            "attempt": b"not ours",
            "error-reason": "status-400",
            "error-stage": "fetch",
            "error-message": "the API refuses this order: 400",
            "error-attempts": "1",
            "error-topic": "orders.completed",
            "error-partition": "1",
            "error-offset": "5",
            "error-time": "1000000",
            "error-group": "journeys",
            "error-fetched-at": "1000000",
        },
    )


@pytest.mark.parametrize("attempt", [0, 3])
def test_an_order_keeps_the_count_of_its_replays(attempt: int) -> None:
    """The header stays through retries and dead letters, and the next replay adds to it."""
    letter = routed(order(attempt=attempt, headers=(("replay-count", b"1"),)), PASSING if attempt else REFUSED)
    assert (letter[0], letter[1]["replay-count"]) == ("orders.dead-letter", b"1")
    assert routed(order(headers=(("replay-count", b"1"),)), PASSING)[1]["replay-count"] == b"1"


def test_an_impossible_attempt_count_starts_at_the_first_tier() -> None:
    """More absences than attempts cannot be ours, so the order starts at the first tier."""
    assert routed(order(attempt=0, absences=9), PASSING)[0] == "orders.retry.1m"


def test_an_unreadable_edition_keeps_the_messages_position() -> None:
    """A dead letter always names the position of its message."""
    headers = routed(structs.replace(order(attempt=1), edition="backfill"), REFUSED)[1]
    found = [headers[name] for name in ("error-topic", "error-partition", "error-offset")]
    assert found == ["orders.completed", "1", "5"]


def test_an_unreadable_message_is_a_dead_letter_at_its_position() -> None:
    """A message that names no order goes to the dead letters under its own position."""
    message = order().message
    refused = RejectedOrderError("the value is not UTF-8", reason="message-unreadable", stage="message")
    record, outcome = route_failure(message, None, refused, ROUTES, now_ms=5)
    assert (record.topic, outcome, record.value) == ("orders.dead-letter", "dead-lettered", b"A-1")
    assert dict(record.headers)["error-offset"] == "5"


def test_an_outage_longer_than_all_tiers_makes_no_dead_letter() -> None:
    """While no order gets an answer, an order waits in the last tier again; without tiers it has nowhere to wait."""
    last = order(attempt=3)
    record, outcome = route_failure(last.message, last, PASSING, ROUTES, now_ms=0, others_answered=False)
    assert (record.topic, outcome, dict(record.headers)["attempt"]) == ("orders.retry.1h", "retried", "4")
    none = Routes(group="journeys", retry_tiers=(), dead_letter="orders.dead-letter", empty_after=())
    assert route_failure(last.message, last, PASSING, none, now_ms=0, others_answered=False)[1] == "dead-lettered"


def test_a_rejected_order_is_a_dead_letter_even_during_an_outage() -> None:
    """The API's answer was about this order, so other orders do not matter."""
    refused = RejectedOrderError("the API answered 400", reason="status-400")
    of = order()
    assert route_failure(of.message, of, refused, ROUTES, now_ms=0, others_answered=False)[1] == "dead-lettered"


def test_replayed_stripped_letter_can_be_stripped_again() -> None:
    """A replay removes `error-left-out` with the other error headers, so the next one can be stripped too."""
    first = strip_letter(route_failure(order().message, order(), REFUSED, ROUTES, now_ms=5)[0], order())
    assert first is not None
    headers = tuple((name, str(value).encode()) for name, value in first.headers)
    replayed = Targets(orders=("orders.completed",), tiers=frozenset()).record(
        structs.replace(order().message, value=first.value, headers=headers), "orders.completed"
    )
    assert replayed.headers == [("replay-count", "1"), ("replay-fetched-at", "5")]


def test_dead_letter_replaces_error_headers_of_its_message() -> None:
    """A letter that was copied into an order topic by hand has them; so it can still be stripped."""
    copied = order(headers=(("error-reason", b"old"), ("error-left-out", b"9"), ("error-code", b"theirs")))
    letter, _ = route_failure(copied.message, copied, REFUSED, ROUTES, now_ms=5)
    assert [value for name, value in letter.headers if name == "error-reason"] == ["status-400"]
    assert ("error-code", b"theirs") in letter.headers
    assert strip_letter(letter, copied) is not None


def test_retries_and_dead_letters_carry_the_group() -> None:
    """Another group that reads the same topics then knows that they are not its own."""
    assert routed(order(), PASSING)[1]["retry-group"] == "journeys"
    assert routed(order(), REFUSED)[1]["error-group"] == "journeys"


@pytest.mark.parametrize(
    ("topic", "headers", "group"),
    [
        ("orders.retry.1m", (("retry-group", b"eu"),), "eu"),
        ("orders.retry.1m", (("retry-group", b"journeys"),), None),
        ("orders.retry.1m", (), None),
        ("orders.completed", (("retry-group", b"eu"),), None),
    ],
)
def test_retries_of_another_group_are_foreign(topic: str, headers: Headers, group: str | None) -> None:
    """A retry without the header is our own, and an order topic holds no retries."""
    position = Position(topic=topic, partition=0, offset=0)
    message = OrderMessage(position=position, key=None, value=b"A-1", headers=headers, timestamp_ms=None)
    assert ROUTES.foreign_group(message) == group
