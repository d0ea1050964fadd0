"""When an order message is due."""

from __future__ import annotations

import pytest

from journeys.model import OrderMessage, Position
from journeys.settings import load
from journeys.tools.due import DueTimes

NOW_MS = 1_764_064_800_000
DUE = DueTimes(
    load(
        None,
        {
            "JOURNEYS_ORDERS__SETTLE": "10m",
            "JOURNEYS_ORDERS__RETRY_PREFIX": "retry.",
            "JOURNEYS_ORDERS__RETRY_TIERS": "1m",
            "JOURNEYS_API__EMPTY_AFTER": "1h",
        },
    )
)


def message(topic: str, age_s: int = 0, **headers: str) -> OrderMessage:
    """A message of this age."""
    return OrderMessage(
        position=Position(topic=topic, partition=0, offset=0),
        key=None,
        value=b"A-1",
        headers=tuple((name.replace("_", "-"), value.encode()) for name, value in headers.items()),
        timestamp_ms=NOW_MS - age_s * 1000,
    )


@pytest.mark.parametrize(("age_s", "due_ms"), [(0, NOW_MS + 600_000), (599, NOW_MS + 1000), (600, None), (900, None)])
def test_new_order_is_due_after_the_settle_time(age_s: int, due_ms: int | None) -> None:
    """None if it is due already."""
    assert DUE.of(message("orders", age_s), NOW_MS) == due_ms


def test_retry_is_due_at_its_header_but_never_later_than_the_longest_wait() -> None:
    """The wait for an absent journey may be longer than the longest tier."""
    assert DUE.of(message("retry.1m", not_before=str(NOW_MS + 1_800_000)), NOW_MS) == NOW_MS + 1_800_000
    assert DUE.of(message("retry.1m", not_before=str(NOW_MS + 10**10)), NOW_MS) == NOW_MS + 3_600_000
    assert DUE.of(message("retry.1m", not_before=str(NOW_MS - 1)), NOW_MS) is None
