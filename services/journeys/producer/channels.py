"""Which channel an event belongs to: a closed table of spellings of `event_type`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from journeys.errors import SettingsError
from journeys.model import Json

ALIASES_SETTING: Final = "JOURNEYS_PUBLISH__ALIASES"


class Channel(StrEnum):
    """The channels; each value is also the end of its topic's name."""

    ADS = "ads"
    EMAIL = "email"
    SOCIAL_MEDIA = "social-media"
    ORGANIC_SEARCH = "organic-search"
    REFERRAL = "referral"
    INFLUENCER = "influencer"
    DIRECT = "direct"
    OTHER = "other"
    """Every type that no table has, null and empty included: no event is lost for its type."""


SPELLINGS: Final[Mapping[str, Channel]] = {
    "ad": Channel.ADS,
    "ads": Channel.ADS,
    "email": Channel.EMAIL,
    "e-mail": Channel.EMAIL,
    "social-media": Channel.SOCIAL_MEDIA,
    "socialmedia": Channel.SOCIAL_MEDIA,
    "organic-search": Channel.ORGANIC_SEARCH,
    "organicsearch": Channel.ORGANIC_SEARCH,
    "referral": Channel.REFERRAL,
    "influencer": Channel.INFLUENCER,
    "direct": Channel.DIRECT,
}
"""Normal spelling → channel. The API document itself uses both `ad` and `ads`."""

LONGEST: Final = 256
"""Most characters of a spelling: a longer one is in no table, and is never cached."""
_SEPARATORS: Final = re.compile(r"[\s_-]+")


def normalised(event_type: str) -> str:
    """A spelling trimmed and in lower case, with each run of `_`, `-` and space as one `-`."""
    return _SEPARATORS.sub("-", event_type).strip("-").lower()


def spelling(event_type: Json) -> str | None:
    """An `event_type` as received, if a channel could have it; else None."""
    return event_type if type(event_type) is str and len(event_type) <= LONGEST else None


class Channels:
    """The table of spellings, extended by aliases (spelling → channel's name).

    Raises SettingsError, which names every alias that leads to no channel or moves a built-in spelling.
    """

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        aliases = aliases or {}
        problems = [(ALIASES_SETTING, why) for name, to in aliases.items() if (why := _objection(name, to))]
        if problems:
            raise SettingsError(problems)
        self._table = dict(SPELLINGS) | {normalised(name): Channel(to) for name, to in aliases.items()}
        self._look_up = lru_cache(maxsize=1024)(self._channel)

    def of(self, event_type: Json) -> Channel:
        """The channel of an `event_type` as received, which may be any JSON."""
        known = spelling(event_type)
        return Channel.OTHER if known is None else self._look_up(known)

    def _channel(self, event_type: str) -> Channel:
        return self._table.get(normalised(event_type), Channel.OTHER)


def _objection(name: str, to: str) -> str | None:
    if to not in list(Channel):
        return f"{name!r} leads to {to!r}, which is none of {', '.join(Channel)}"
    built_in = SPELLINGS.get(normalised(name))
    if built_in not in {None, to}:
        return f"{name!r} is built in as {built_in}; an alias cannot move it to {to!r}"
    if len(name) > LONGEST:
        return f"an alias has {LONGEST} characters at most, not {len(name)}"
    if not normalised(name):
        return "an empty spelling always leads to other"
    return None
