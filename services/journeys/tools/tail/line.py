"""A published record as one line: in words, and as JSON. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from journeys.clock import iso
from journeys.model import Json, OrderMessage
from journeys.producer import schemas
from journeys.tools.event import Event, amount, plain_json, time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecord:
    """A record of a journey topic, decoded."""

    channel: str
    """The end of the topic's name: a channel, `summary` or `rejected`."""
    message: OrderMessage
    value: Mapping[str, Json]

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints; docs/commands.md describes it."""
        return {
            "channel": self.channel,
            "position": str(self.message.position),
            "written": iso(self.message.timestamp_ms),
            "record": plain_json(dict(self.value)),
        }

    def parts(self) -> list[str]:
        """What a line for people shows after time and channel; an empty text for nothing."""
        order = str(self.value["order_id"])
        if self.channel == schemas.SUMMARY:
            return [order, *_summary(self.value)]
        if self.channel == schemas.REJECTED:
            return [order, str(self.value["raw"])]
        event = Event.of(self.channel, self.value)
        misfits = ", ".join(self.value["misfits"])
        return [
            order,
            event.campaign or "",
            event.page or "",
            ", ".join(event.actions),
            event.money or "",
            f"misfits: {misfits}" if misfits else "",
        ]

    @property
    def time(self) -> str | None:
        """The time of the event; of a summary and of a rejected item, the time when the API was read."""
        if self.channel in (schemas.SUMMARY, schemas.REJECTED):
            return time_of(self.value["fetched_at"])
        return Event.of(self.channel, self.value).time


def _summary(value: Mapping[str, Json]) -> list[str]:
    counts = ", ".join(f"{channel} {count}" for channel, count in sorted(value["expected"].items()) if count)
    total = value["order_total"]
    money = f"{amount(total)} {value['order_currency'] or ''}".rstrip() if isinstance(total, Decimal) else ""
    return [f"edition {value['edition']}", counts or "no events", money]
