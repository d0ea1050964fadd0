"""An edition of an order: its summary, the events in hand, and whether these are all. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from journeys.model import Json
from journeys.producer import schemas
from journeys.tools.event import Event, plain_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One publication of an order. `summary` is the decoded summary; `events` are decoded records with their channel.

    The items that were no events are among them, with the channel `rejected`.
    """

    summary: Mapping[str, Json]
    events: tuple[tuple[str, Mapping[str, Json]], ...]

    @property
    def name(self) -> str:
        """The edition as the records have it."""
        return str(self.summary["edition"])

    @property
    def source(self) -> str:
        """The position of the order message, which later re-readings share: `topic/partition/offset`."""
        return self.name.partition("#")[0]

    @property
    def newness(self) -> tuple[Any, str]:
        """Sort key: the greatest edition replaces the others."""
        return self.summary["fetched_at"], self.name

    @property
    def missing(self) -> dict[str, int]:
        """How many records fewer there are than the summary says, by channel; negative for too many. Empty if whole."""
        found = Counter(channel for channel, _ in self.events)
        expected = Counter({**self.summary["expected"], schemas.REJECTED: self.summary["rejected"]})
        return {
            channel: expected[channel] - found[channel]
            for channel in expected | found
            if expected[channel] != found[channel]
        }

    def timeline(self) -> list[Event]:
        """The events in the order of the journey."""
        return sorted((Event.of(channel, value) for channel, value in self.events), key=lambda event: event.position)

    def facts(self) -> dict[str, Any]:
        """The edition as JSON, without its events."""
        plain = plain_json(dict(self.summary))
        return {
            "edition": self.name,
            "fetched_at": plain["fetched_at"],
            "whole": not self.missing,
            "missing": self.missing,
            "events": plain["expected"],
            "rejected": plain["rejected"],
            "consistent": plain["consistent"],
            "misfits": plain["misfit_count"],
            "conversion_seen": plain["conversion_seen"],
            "order_no": plain["order_no"],
            "order_total": plain["order_total"],
            "order_currency": plain["order_currency"],
            "order_shop_currency_total": plain["order_shop_currency_total"],
            "shop_currency": plain["shop_currency"],
        }
