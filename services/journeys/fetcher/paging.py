"""The paging rule, without I/O: pages in, one whole journey out.

    first ──► rest ──► whole?  ── yes ─────────────────────────────► done
      ▲                  │ no, or it moved
      └── read again ◄───┤
                         └─ the same as last time, or enough ──► done, inconsistent (or give up)

A driver asks `wanted` for the pages to fetch now, side by side if it likes, and hands each to `receive`, in any
order. A journey is whole when distinct ids and events without an id together make the newest `total`, and `total`
did not move while reading. What still disagrees when read again is accepted, marked inconsistent, once two readings
in a row are identical.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from journeys.fetcher.failures import failure
from journeys.fetcher.pages import Page
from journeys.model import Json


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All pages of an order, read once and put in order."""

    events: tuple[Json, ...]
    total: int
    pages: int
    repeated: int
    shared_ids: int
    moved: bool
    """Whether `total` or the page size changed while reading, or ids came twice: pages may have shifted."""
    shop_currency: str | None
    extra: dict[str, Json]
    consistent: bool = True

    @property
    def whole(self) -> bool:
        """Whether there are as many events as `total` says."""
        return len(self.events) == self.total


EMPTY = Reading(events=(), total=0, pages=1, repeated=0, shared_ids=0, moved=False, shop_currency=None, extra={})
"""The journey of an order that the API knows nothing of, and says nothing about."""


class Paging:
    """The state of one order's reading. `max_readings` bounds how often it is read in all."""

    def __init__(self, *, max_events: int, max_readings: int = 3) -> None:
        self._max_events = max_events
        self._readings_left = max_readings
        self._previous: Reading | None = None
        self._pages: dict[int, Page] = {}
        self._asked: set[int] = set()
        self._events = 0
        """That came with these pages, repeated ones included, whatever their totals."""
        self.bytes = 0
        """Bytes of all pages that came, also of an earlier reading, or forgotten."""
        self.promised = False
        """Whether any page spoke of events, or held some."""
        self.empty: Reading | None = None
        """What an API that knows of no events said all the same; set before NotFoundYetError is raised for it."""
        self.result: Reading | None = None
        """The accepted reading; None while pages are wanted."""

    def wanted(self) -> list[int]:
        """Numbers of the pages to fetch now, from 1; each is named once per reading."""
        if self.result is not None:
            return []
        numbers = [number for number in range(1, self._count() + 1) if number not in self._asked]
        self._asked.update(numbers)
        return numbers

    def receive(self, page: Page) -> None:
        """Take a page that was wanted.

        Raises NotFoundYetError, RejectedOrderError or TransientError where that settles it.
        """
        self.bytes += page.bytes
        self.promised |= page.total > 0 or len(page.events) > 0
        if page.number not in self._asked or page.number in self._pages:
            raise ValueError(f"page {page.number} was not asked for")
        self._events += len(page.events)
        if (events := max(page.total, self._events)) > self._max_events:
            raise failure(
                "journey-too-large",
                f"the journey has {events} events; the most is {self._max_events} (JOURNEYS_API__MAX_EVENTS)",
            )
        self._pages[page.number] = page
        if len(self._pages) == len(self._asked) and self._count() == len(self._pages):
            self._judge(self._reading())

    def forget(self) -> None:
        """Drop the pages taken so far: they are wanted again."""
        self._pages, self._asked, self._events = {}, set(), 0

    def _count(self) -> int:
        """How many pages there are, by the newest answer; 1 until the first page is in."""
        if 1 not in self._pages:
            return 1
        newest = next(reversed(self._pages.values()))
        # The first page's size counts: the others were cut by it. A total that shrinks takes no page back.
        needed = -(-newest.total // self._pages[1].size)
        return max(needed, len(self._asked), 1)

    def _judge(self, reading: Reading) -> None:
        if reading.total == 0 and not reading.events:
            self.empty = reading
            raise failure("no-journey", "the API has no journey for this order")
        if reading.whole and not reading.moved:
            self.result = reading
            return
        self._readings_left -= 1
        if self._previous is not None and _same(reading, self._previous):
            self.result = reading if reading.whole else msgspec.structs.replace(reading, consistent=False)
        elif self._readings_left <= 0:
            raise failure("journey-unsettled", "the journey keeps changing while it is read")
        else:
            self._previous = reading
            self.forget()

    def _reading(self) -> Reading:
        pages = [self._pages[number] for number in sorted(self._pages)]
        newest = next(reversed(self._pages.values()))
        events, repeated = _distinct(event for page in pages for event in page.events)
        return Reading(
            events=events,
            total=newest.total,
            pages=len(pages),
            repeated=repeated,
            shared_ids=0,
            moved=repeated > 0 or len({(page.total, page.size) for page in pages}) > 1,
            shop_currency=next((page.shop_currency for page in pages if page.shop_currency is not None), None),
            extra=pages[0].extra,
        )


def _same(one: Reading, other: Reading) -> bool:
    return one.events == other.events and one.total == other.total and one.repeated == other.repeated


def _distinct(events: Iterator[Json]) -> tuple[tuple[Json, ...], int]:
    """Events with one of each id, in the place of its first reading and with the content of its last."""
    kept: list[Json] = []
    place: dict[str, int] = {}
    repeated = 0
    for event in events:
        identity = _identity(event)
        if identity is not None and identity in place:
            kept[place[identity]] = event
            repeated += 1
            continue
        if identity is not None:
            place[identity] = len(kept)
        kept.append(event)
    return tuple(kept), repeated


def _identity(event: Json) -> str | None:
    """An event's id as text; None for one without, or for what is no event at all."""
    if type(event) is not dict:
        return None
    value = event.get("event_id")
    if isinstance(value, str):
        return value or None
    return None if value is None or isinstance(value, dict | list | bool) else str(value)
