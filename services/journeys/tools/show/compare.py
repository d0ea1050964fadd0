"""What differs between the published journey and the one that the API has now. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from journeys.model import Json
from journeys.tools.show.edition import Edition

_OF_THE_READING: Final = frozenset({"edition", "revision", "fetched_at", "journey_size"})
"""Fields that say when the API was read, and how much it had: they differ between two readings by nature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A position of the journey at which the two are not the same."""

    position: int
    channel: str
    kind: Literal["changed", "only-published", "only-at-the-api"]
    fields: tuple[str, ...] = ()
    """The fields that changed, sorted; `channel` if the event moved to another one."""


def compare(published: Edition, now: Edition) -> list[Difference]:
    """The differences, by position."""
    old, new = _by_position(published), _by_position(now)
    found = []
    for position in sorted(old.keys() | new.keys()):
        if position not in new:
            found.append(Difference(position=position, channel=old[position][0], kind="only-published"))
        elif position not in old:
            found.append(Difference(position=position, channel=new[position][0], kind="only-at-the-api"))
        elif fields := _changed(old[position], new[position]):
            found.append(
                Difference(position=position, channel=new[position][0], kind="changed", fields=tuple(sorted(fields)))
            )
    return found


def _by_position(edition: Edition) -> dict[int, tuple[str, Mapping[str, Json]]]:
    return {value["position"]: (channel, value) for channel, value in edition.events}


def _changed(old: tuple[str, Mapping[str, Json]], new: tuple[str, Mapping[str, Json]]) -> set[str]:
    names = (old[1].keys() | new[1].keys()) - _OF_THE_READING
    changed = {name for name in names if old[1].get(name) != new[1].get(name)}
    return changed | {"channel"} if old[0] != new[0] else changed
