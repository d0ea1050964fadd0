"""Which records are shown."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.model import OrderMessage, Position
from journeys.tools.tail.filters import RecordFilter

ADS: dict[str, Any] = {"event_campaign": "Sommer-Größe 24", "misfits": []}


def message(value: bytes | None) -> OrderMessage:
    """A record of the order A-1."""
    place = Position(topic="journey.ads", partition=0, offset=0)
    return OrderMessage(position=place, key=b"A-1", value=value, headers=(), timestamp_ms=None)


@pytest.mark.parametrize(
    ("wanted", "value", "matches"),
    [
        (RecordFilter(), ADS, True),
        (RecordFilter(campaign="GRÖSSE"), ADS, True),
        (RecordFilter(campaign="winter"), ADS, False),
        (RecordFilter(campaign="sommer"), {"event_campaign": None}, False),
        (RecordFilter(misfits=True), ADS, False),
        (RecordFilter(misfits=True), {**ADS, "misfits": ["/ad/ad_id"]}, True),
        (RecordFilter(misfits=True), {"misfit_count": 2}, True),
        (RecordFilter(misfits=True), {"misfit_count": 0}, False),
        (RecordFilter(misfits=True, campaign="winter"), {**ADS, "misfits": ["/x"]}, False),
    ],
)
def test_every_condition_must_hold(wanted: RecordFilter, value: dict[str, Any], matches: bool) -> None:
    """Part of a campaign's name in any case; misfits of an event, or counted in a summary."""
    assert wanted.matches(value) is matches


def test_order_is_compared_with_the_key() -> None:
    """Without decoding the value."""
    assert RecordFilter(order="A-1").may_match(message(b""))
    assert not RecordFilter(order="A-2").may_match(message(b""))
    assert RecordFilter().may_match(message(b""))


def test_tombstone_matches_no_filter() -> None:
    """The topic of summaries may be compacted: a record without a value is no unreadable record."""
    assert not RecordFilter().may_match(message(None))
    assert not RecordFilter(order="A-1").may_match(message(None))
