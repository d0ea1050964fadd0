"""A published event as a line of a timeline. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from journeys.clock import iso
from journeys.model import Json

_WORDS: Final[Mapping[str, str]] = {
    "cart_viewed": "viewed the basket",
    "checkout_started": "started the checkout",
    "checkout_completed": "bought",
    "payment_info_submitted": "gave payment details",
    "products": "looked at products",
    "search_submitted": "searched",
}
"""Names of the on-site objects, in words."""
_MONEY: Final = ("checkout_completed", "payment_info_submitted", "checkout_started", "cart_viewed")
"""The on-site objects with a total, the most telling first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a timeline shows of one event."""

    time: str | None
    """ISO 8601 in UTC; as the API sent it if it is no time."""
    channel: str
    campaign: str | None
    """The campaign, else the traffic source."""
    page: str | None
    actions: tuple[str, ...]
    """What the visitor did, in words."""
    money: str | None
    """Amount and currency of the visitor's basket or purchase."""
    position: int

    @classmethod
    def of(cls, channel: str, value: Mapping[str, Json]) -> Event:
        """Read the decoded record of an event or of a rejected item, which has neither time nor content."""
        at = value.get("event_at")
        return cls(
            time=time_of(at) if at is not None else value.get("event_at_text"),
            channel=channel,
            campaign=value.get("event_campaign") or value.get("event_source"),
            page=value.get("event_page_title") or value.get("event_page_url"),
            actions=tuple(_WORDS.get(action, action) for action in value.get("actions", ())),
            money=next((text for name in _MONEY if (text := _money(value.get(name))) is not None), None),
            position=value["position"],
        )


def time_of(at: datetime) -> str:
    """A time of a record as ISO 8601 in UTC, with milliseconds."""
    return iso(round(at.timestamp() * 1000)) or str(at)


def plain_json(value: Json) -> Json:
    """A decoded record as plain JSON: amounts are texts with all their digits, times are ISO 8601."""
    match value:
        case dict():
            return {name: plain_json(item) for name, item in value.items()}
        case list():
            return [plain_json(item) for item in value]
        case Decimal():
            return amount(value)
        case datetime():
            return time_of(value)
        case bytes():
            return value.hex()
        case _:
            return value


def amount(value: Decimal) -> str:
    """An amount without needless zeros; cents keep two digits: `129.90`, `7.00`, `0.005`."""
    whole, _, rest = f"{value:f}".partition(".")
    return f"{whole}.{rest.rstrip('0'):0<2}"


def _money(found: Any) -> str | None:
    if not isinstance(found, dict) or not isinstance(found.get("total_price"), Decimal):
        return None
    return " ".join(filter(None, (amount(found["total_price"]), found.get("currency"))))
