"""Findings about one order, for the tests of `journeys show`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from journeys.dead_letters.letters import Letter, State
from journeys.model import OrderMessage, Position
from journeys.tools.show.edition import Edition
from journeys.tools.show.story import Looked, Received, Retried, Story

NOW_MS = 1_764_064_800_000  # 2025-11-25T10:00:00Z
ORDER = "A 1"
LOOKED = Looked(topic="orders", partitions=(3,), of=6, records=1200, since_ms=NOW_MS)


def message(topic: str, offset: int, **headers: str) -> OrderMessage:
    """A record of the order; a later offset is a second later."""
    return OrderMessage(
        position=Position(topic=topic, partition=0, offset=offset),
        key=ORDER.encode(),
        value=ORDER.encode(),
        headers=tuple((name.replace("_", "-"), value.encode()) for name, value in headers.items()),
        timestamp_ms=NOW_MS + 1000 * offset,
    )


def received(offset: int, *, is_open: bool = False, due_ms: int | None = None) -> Received:
    """An order message."""
    return Received(message=message("orders", offset), open=is_open, due_ms=due_ms)


def retried(source: int, *, is_open: bool) -> Retried:
    """A retry of the order message at this offset."""
    record = message("retry.1m", 9, edition=f"orders/0/{source}", retry_reason="status-503", attempt="1")
    return Retried(message=record, open=is_open, due_ms=NOW_MS + 60_000 if is_open else None)


def letter(source: int, state: State = State.PENDING) -> Letter:
    """A dead letter of the order message at this offset."""
    return Letter(
        position=Position(topic="dead", partition=0, offset=4),
        at_ms=NOW_MS,
        reason="status-400",
        stage="fetch",
        text="the API refuses this order",
        attempts=1,
        order=ORDER,
        topic="orders",
        group="journeys",
        source=f"orders/0/{source}",
        origin=None,
        replays=0,
        state=state,
    )


def edition(source: int, *channels: str, name: str = "", day: int = 25, rejected: int = 0) -> Edition:
    """An edition of the order message at this offset. Its summary expects one ad and two mails; these are in hand."""
    nothing = ("order_no", "order_total", "order_currency", "order_shop_currency_total", "shop_currency")
    summary: dict[str, Any] = {
        "edition": name or f"orders/0/{source}",
        "fetched_at": datetime(2026, 11, day, tzinfo=UTC),
        "expected": {"ads": 1, "email": 2},
        "rejected": rejected,
        "consistent": True,
        "misfit_count": 0,
        "conversion_seen": True,
        **dict.fromkeys(nothing),
    }
    events = tuple((channel, {"position": len(channels) - number}) for number, channel in enumerate(channels, start=1))
    return Edition(summary=summary, events=events)


def story(**found: Any) -> Story:
    """A story in which nothing else was found."""
    nothing: dict[str, Any] = {"received": [], "retries": [], "letters": [], "editions": [], "looked": []}
    return Story(order=ORDER, **{**nothing, **found})


def full_story() -> Story:
    """A story with everything in it that can be found."""
    return story(
        received=[received(1, is_open=True, due_ms=NOW_MS + 1000)],
        retries=[retried(1, is_open=True)],
        letters=[letter(1)],
        editions=[edition(1, "ads", "email", "rejected")],
        looked=[LOOKED],
        api=edition(1, "ads", "email", "email", "direct"),
    )
