"""The files of `journeys support-bundle`, without secrets and without order ids. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from journeys.redact import HIDDEN, names_secret, without_credentials

_ID: str = "order_id"
_IN_TEXT = re.compile(
    r"""(?<=\border_id=)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)"""
    r"""|(?<=\Aorder ).+?(?= \(\S+/\d+/\d+\) takes )""",
    re.DOTALL,
)
"""An order id in a log line for people, in quotes if it has spaces or quotes itself; or in the reason `slow`."""
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_MAIL = re.compile(r"[^\s\"'<>,;:=]+@[^\s\"'<>,;:=]+\.[^\s\"'<>,;:=]+")
_SHORTEST = 4
"""The fewest characters of an order id that is also replaced within other texts."""


class Scrubber:
    """Replaces order ids by `order-1`, `order-2`, … in the order of their appearance, and hides secrets.

    So an order can be followed through the lines. `lines` are all lines of the bundle: they name the ids. An id is not
    in the bundle in any form, but for one case: an id of fewer than four characters stays within other texts.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        for line in lines:
            for order_id in _ids("", _decoded(line)):
                self._name(order_id)
        self._longest_first = sorted(filter(lambda each: len(each) >= _SHORTEST, self._names), key=len, reverse=True)

    def line(self, line: str) -> str:
        """A line of a log, or a JSON object, without order ids, e-mail addresses and secrets."""
        found = _decoded(line)
        return self._text(found) if isinstance(found, str) else json.dumps(self._clean("", found))

    def _name(self, order_id: str) -> str:
        return self._names.setdefault(order_id, f"order-{len(self._names) + 1}")

    def _clean(self, name: str, value: Any) -> Any:
        if names_secret(name):
            return HIDDEN
        if isinstance(value, str):
            return self._name(value) if name == _ID else self._text(value)
        if isinstance(value, dict):
            return {key: self._clean(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._clean(name, item) for item in value]
        return value

    def _text(self, text: str) -> str:
        text = _IN_TEXT.sub(lambda found: self._name(_unquoted(found[0])), text)
        for order_id in self._longest_first:
            text = text.replace(order_id, self._names[order_id])
        return _MAIL.sub(HIDDEN, without_credentials(text))


def _decoded(line: str) -> Any:
    """The dictionary of a JSON object; any other line as it is, without colours."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    return fields if isinstance(fields, dict) else _COLOUR.sub("", line)


def _ids(name: str, value: Any) -> Iterator[str]:
    """The order ids in a value of this name, at any depth."""
    if isinstance(value, str):
        yield from [value] if name == _ID else map(_unquoted, _IN_TEXT.findall(value))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _ids(key, item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(name, item)


def _unquoted(order_id: str) -> str:
    return order_id.strip("'\"")
