"""Joins the items of pages into the events of one journey: an event is its whole content. No I/O.

Two items are the same event only if their content is equal, `event_id` included: typed (`true`, `1` and `"1"` differ),
numbers by value (129.9 is 129.90), whatever the order of keys. Identical items with an id are published once. Items
without an id all count, unless the pages hold more items than the journey has.

Content is compared only if an id comes twice or is missing, so usual pages cost one dictionary lookup an item.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from decimal import Decimal, DecimalException
from typing import Final

from journeys.model import Json

_WHOLE: Final = re.compile(r"(-?[0-9]+)\.0+", re.ASCII)


class Events:
    """The distinct items of the pages added so far, in their order."""

    def __init__(self) -> None:
        self.items: list[Json] = []
        self.read = 0
        """Items of all pages, repeats included."""
        self.is_shifted = False
        """Whether a page repeats an item of an earlier page, or an id with other content: pages may have shifted."""
        self._first: dict[Hashable, int] = {}  # index of the first item with each id
        self._shared: dict[Hashable, dict[Hashable, int]] = {}  # items by content, of each id that came twice
        self._unnamed: list[int] = []  # indexes of the items without an id
        self._unnamed_contents: set[Hashable] = set()  # of the first of these
        self._compared = 0  # so many

    @property
    def repeated(self) -> int:
        """Items that are not published because an identical one is."""
        return self.read - len(self.items)

    @property
    def shared_ids(self) -> int:
        """Events with an id that another event has, too."""
        return sum(len(contents) for contents in self._shared.values() if len(contents) > 1)

    def has_news(self, page: list[Json]) -> bool:
        """Return whether a page has an item whose content no page before it has."""
        return any(self._is_new(item) for item in page)

    def add(self, page: list[Json]) -> bool:
        """Add the items of the next page. Returns whether any of them counts."""
        items, first, start = self.items, self._first, len(self.items)
        self.read += len(page)
        for item in page:
            name = item.get("event_id") if type(item) is dict else None
            if type(name) is str and name and name not in first:  # so it is with most items
                first[name] = len(items)
            elif self._is_repeat(item, start):
                continue
            items.append(item)
        return len(items) > start

    def drop_unnamed_repeats(self) -> None:
        """Keep only the first of identical items without an id: there are more items than the journey has."""
        contents: set[Hashable] = set()
        repeats: set[int] = set()
        for index in self._unnamed:
            key = content(self.items[index])
            if key in contents:
                repeats.add(index)
            contents.add(key)
        self.is_shifted = self.is_shifted or bool(repeats)
        self.items = [item for index, item in enumerate(self.items) if index not in repeats]

    def _is_repeat(self, item: Json, start: int) -> bool:
        """Note an item that is to be added. Returns whether it has an id and an identical item is there.

        `start` is the number of items of the pages before.
        """
        name, index = _name(item), len(self.items)
        if name is None:
            self._unnamed.append(index)
            return False
        first = self._first.setdefault(name, index)
        if first == index:
            return False
        self.is_shifted = self.is_shifted or first < start
        contents = self._shared.setdefault(name, {content(self.items[first]): first})
        return contents.setdefault(content(item), index) != index

    def _is_new(self, item: Json) -> bool:
        name = _name(item)
        if name is None:
            return content(item) not in self._contents_of_unnamed()
        first = self._first.get(name)
        if first is None:
            return True
        return content(item) not in self._shared.get(name, {content(self.items[first])})

    def _contents_of_unnamed(self) -> set[Hashable]:
        self._unnamed_contents.update(content(self.items[index]) for index in self._unnamed[self._compared :])
        self._compared = len(self._unnamed)
        return self._unnamed_contents


def content(value: Json) -> Hashable:
    """Return a key that is equal for equal JSON values, and for no others. No depth is too deep for it."""
    parts: list[Hashable] = []
    todo: list[Json] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            names = sorted(item)
            parts.append((dict, *names))
            todo += [item[name] for name in names]
        elif isinstance(item, list):
            parts.append((list, len(item)))
            todo += item
        else:
            parts.append(_scalar(item))
    return tuple(parts)


def _scalar(value: Json) -> Hashable:
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, str) and type(value) is not str:  # a number, as it was written
        return _number(value)
    scalar: Hashable = value
    return scalar


def _number(text: str) -> Hashable:
    try:
        return Decimal(text)
    except DecimalException:  # an exponent beyond all bounds
        return (Decimal, str(text))


def _name(item: Json) -> Hashable:
    """Return the id of an item, a number as its digits, or None if the item has none or an empty one."""
    if type(item) is not dict:
        return None
    value = item.get("event_id")
    if type(value) is str:
        return value or None
    if value is None or value in ([], {}):
        return None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        text = str(value)
        return whole[1] if (whole := _WHOLE.fullmatch(text)) else text
    return content(value)
