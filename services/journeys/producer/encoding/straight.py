"""The straight way of a journey: each event that fits as it is becomes a record, in the order of the journey.

`native.Straight` does the same in C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from journeys.model import Json, Record
from journeys.producer.channels import LONGEST
from journeys.producer.encoding import extension
from journeys.producer.encoding.body import INEXACT
from journeys.producer.encoding.record_type import Common, EventKind


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a journey's items, and what its summary tells of the events."""

    records: list[Record | None]
    """One for each item; None where that is no object, or does not fit as it is."""
    times: list[int]
    """Of the events that have records, where they name one; in milliseconds since the epoch, UTC."""
    checkouts: list[Mapping[str, Any]]
    """The completed checkouts of these events."""
    misfits: list[str] = []
    """Where values did not fit, as JSON Pointers; to be noted by who fits the other events."""


KindOf: TypeAlias = Callable[[str | None], EventKind]
"""The kind of an event by its `event_type`; None stands for whatever is no spelling."""
Write: TypeAlias = Callable[[tuple[Json, ...], Common], Written]


class Straight:
    """In Python."""

    def __init__(self, kind_of: KindOf) -> None:
        self._kind_of = kind_of

    def write(self, items: tuple[Json, ...], common: Common) -> Written:
        """The records of a journey's items."""
        written = Written(records=[], times=[], checkouts=[])
        for position, item in enumerate(items):
            written.records.append(self._record(item, position, common, written) if type(item) is dict else None)
        return written

    def _record(self, event: dict[str, Json], position: int, common: Common, written: Written) -> Record | None:
        kind = self._kind_of(spelling_of(event))
        try:
            value, at = kind.writer.write(event, position, *common.pieces)
        except INEXACT:
            return None
        if at is not None:
            written.times.append(at)
        if (checkout := event.get("checkout_completed")) is not None:
            written.checkouts.append(checkout)
        return kind.record(common.key, common.headers(event, position), value)


def spelling_of(event: dict[str, Json]) -> str | None:
    """The `event_type` of an event; None where it is none that a channel may have."""
    event_type = event.get("event_type")
    return event_type if isinstance(event_type, str) and len(event_type) <= LONGEST else None


def straight(kinds: Sequence[EventKind], kind_of: KindOf, *, native: bool) -> Write:
    """What writes the records of a journey's items. `native`: in C, where the installation has it."""
    if native and extension.native is not None:
        return extension.native.Straight(kinds, kind_of, record=Record, written=Written, inexact=INEXACT).write
    return Straight(kind_of).write
