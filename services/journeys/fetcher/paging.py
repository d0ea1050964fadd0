"""The paging rule, without I/O: pages in, one whole journey out.

    first page ──► other pages ──► complete? ── yes ─────────────────────────► done
        ▲              ▲   │           │ no, or pages may have shifted
        │              └───┘           ▼
        └──────────── read again ◄─────┴─ same as last time, or often enough ──► done

A driver requests the pages that `wanted` returns and passes each to `receive`, in any order. The pages decide how many
there are; the `total` and the page size in an answer are hints:

- While fewer distinct events than `total` are there and the last page brought something new, there are more pages.
- After a full page that brought something new there may be more, even if `total` is reached.
- Once as many items are read as `total` says, the next page is *extra*: it counts only if it brings something new, and
  any failure means that there is none.

A journey is consistent if `total` did not change and equals the items read or the distinct events. If it is not, or if
pages may have shifted while they were read, it is read again. The second of two equal readings is accepted, and so is
the last one of `_READINGS`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from journeys.fetcher.events import Events
from journeys.fetcher.failures import failure
from journeys.fetcher.pages import Page
from journeys.model import Json


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All pages of an order, read once and joined."""

    events: tuple[Json, ...]
    total: int
    """The newest one."""
    pages: int
    repeated: int
    shared_ids: int
    is_shifted: bool
    """Whether `total`, the page size or an event changed while reading: pages may have shifted."""
    consistent: bool
    """Whether `total` did not change and equals the items read or the distinct events."""
    shop_currency: str | None = None
    extra: dict[str, Json] = {}


EMPTY = Reading(events=(), total=0, pages=1, repeated=0, shared_ids=0, is_shifted=False, consistent=True)
"""The journey of an order that the API does not know."""


_READINGS: Final = 3
"""The most readings of one journey."""


class Paging:
    """The state of one order's reading. `page_size` is the number of events that is asked for."""

    def __init__(self, *, max_events: int, page_size: int = 100) -> None:
        self._max_events = max_events
        self._page_size = page_size
        self._readings_left = _READINGS
        self._previous: Reading | None = None
        self.bytes = 0
        """Size of all pages received, those of earlier readings included."""
        self.promised = False
        """Whether any page held events or named a `total` above 0."""
        self.empty: Reading | None = None
        """The journey without events that the API answered with; set before NotFoundYetError is raised for it."""
        self.result: Reading | None = None
        """The accepted reading; None while pages are wanted."""
        self.forget()

    def forget(self) -> None:
        """Drop the pages received so far and begin again at page 1."""
        self._pages: dict[int, Page] = {}  # in the order of their arrival
        self._events = Events()
        self._read = 0  # items of these pages
        self._joined = 0
        self._asked = 0
        self._next = 1
        self.is_extra = False
        """Whether the wanted page is extra: as many items are read as `total` says."""

    def wanted(self) -> list[int]:
        """Return the numbers of the pages to request now, from 1; each is returned once in a reading."""
        numbers = [*range(self._asked + 1, self._next + 1)]
        self._asked = self._next
        return [] if self.result is not None else numbers

    @property
    def pages_left(self) -> int:
        """How many pages are still to come, about; at least the wanted ones."""
        return max(self._needed(), self._next) - len(self._pages)

    def receive(self, page: Page) -> None:
        """Take a page that was wanted.

        Raises NotFoundYetError, RejectedOrderError or TransientError if that decides the order.
        """
        if not 1 <= page.number <= self._asked or page.number in self._pages:
            raise ValueError(f"page {page.number} was not asked for")
        self.bytes += page.bytes
        self.promised = self.promised or page.total > 0 or len(page.events) > 0
        if self.is_extra and not self._events.has_news(page.events):
            self.end()
            return
        self._read += len(page.events)
        if (events := max(page.total, self._read)) > self._max_events:
            raise failure(
                "journey-too-large",
                f"the journey has {events} events; the most is {self._max_events} (JOURNEYS_API__MAX_EVENTS)",
            )
        self._pages[page.number] = page
        if len(self._pages) == self._asked:
            self._continue()

    def end(self) -> None:
        """Note that there is no extra page."""
        self._judge(self._reading())

    def _continue(self) -> None:
        """Decide, once all wanted pages are here, whether there are more."""
        has_news = False
        for number in range(self._joined + 1, self._asked + 1):
            has_news = self._events.add(self._pages[number].events)
        self._joined = self._asked
        total = self._newest.total
        self.is_extra = self._events.read >= total
        if not has_news or (len(self._events.items) >= total and not self._is_full(self._pages[self._asked])):
            self._judge(self._reading())
        elif self.is_extra or self._needed() <= self._asked:
            self._next = self._asked + 1
        elif self._is_full(self._pages[1]):
            self._next = self._needed()
        else:  # the first page is short, so its size says little of the others: as many pages again, at most
            self._next = min(self._needed(), 2 * self._asked)

    def _is_full(self, page: Page) -> bool:
        """Whether a page holds as many events as fit on it, by all that is known."""
        first = len(self._pages[1].events)
        return len(page.events) >= min(self._page_size, page.size) or (page.number > 1 and len(page.events) >= first)

    def _needed(self) -> int:
        """How many pages there are, if each has as many events as the first."""
        return -(-self._newest.total // max(1, len(self._pages[1].events))) if 1 in self._pages else 1

    @property
    def _newest(self) -> Page:
        return next(reversed(self._pages.values()))

    def _judge(self, reading: Reading) -> None:
        if reading.total == 0 and not reading.events:
            self.empty = reading
            raise failure("no-journey", "the API has no journey for this order")
        self._readings_left -= 1
        is_settled = reading.consistent and not reading.is_shifted
        if is_settled or self._readings_left <= 0 or _are_equal(reading, self._previous):
            self.result = reading
        else:
            self._previous = reading
            self.forget()

    def _reading(self) -> Reading:
        pages = [self._pages[number] for number in sorted(self._pages)]
        events = self._events
        total = self._newest.total
        is_fixed = len({page.total for page in pages}) == 1
        is_cut_alike = len({page.size for page in pages}) == 1
        if is_fixed and events.read > total:
            events.drop_unnamed_repeats()
        currencies = [page.shop_currency for page in pages if page.shop_currency is not None]
        return Reading(
            events=tuple(events.items),
            total=total,
            pages=len(pages),
            repeated=events.repeated,
            shared_ids=events.shared_ids,
            is_shifted=events.is_shifted or not is_fixed or not is_cut_alike,
            consistent=is_fixed and total in (events.read, len(events.items)),
            shop_currency=next(filter(None, currencies), "" if currencies else None),
            extra={pointer: value for page in reversed(pages) for pointer, value in page.extra.items()},
        )


def _are_equal(one: Reading, other: Reading | None) -> bool:
    try:
        return other is not None and one.events == other.events and one.total == other.total
    except RecursionError:  # nested too deeply to compare
        return False
