"""Which records `journeys tail` shows. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from journeys.model import Json, OrderMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """A record matches if every condition that is set holds."""

    order: str | None = None
    campaign: str | None = None
    """A part of the campaign's name, in any case. A record without a campaign does not match."""
    misfits: bool = False
    """Only records with values that did not fit their fields."""

    def may_match(self, message: OrderMessage) -> bool:
        """Whether the record may match, before its value is decoded. A tombstone of a compacted topic never does."""
        return message.value is not None and (self.order is None or message.key == self.order.encode())

    def matches(self, value: Mapping[str, Json]) -> bool:
        """Whether the decoded record matches; its key has been checked."""
        if self.campaign is not None:
            campaign = value.get("event_campaign") or ""
            if self.campaign.casefold() not in campaign.casefold():
                return False
        return not self.misfits or bool(value.get("misfits") or value.get("misfit_count"))
