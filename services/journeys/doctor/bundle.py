"""The files of `journeys support-bundle`, without secrets and without order ids. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from journeys.redact import HIDDEN, names_secret, without_credentials

_ID: str = "order_id"
_IN_TEXT = re.compile(rf"\b{_ID}=('[^']*'|\S+)")
"""An order id in a log line for people."""
_MAIL = re.compile(r"[^\s\"'<>,;:=]+@[^\s\"'<>,;:=]+\.[^\s\"'<>,;:=]+")
_SHORTEST = 4
"""The fewest characters of an order id that is also replaced within other texts."""


class Scrubber:
    """Replaces order ids by `order-1`, `order-2`, … in the order of their appearance, and hides secrets.

    So an order can be followed through the lines. Its id is not in the bundle in any form.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def lines(self, lines: Iterable[str]) -> Iterable[str]:
        """The lines of a log, without order ids, e-mail addresses and secrets."""
        for line in lines:
            yield self.line(line.rstrip("\r\n"))

    def line(self, line: str) -> str:
        """One line of a log, or a JSON object in one line, without them."""
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            for order_id in _ids(fields):
                self._name(order_id)
            return json.dumps({name: self._clean(name, value) for name, value in fields.items()})
        return self._text(_IN_TEXT.sub(lambda found: f"{_ID}={self._name(found[1].strip(chr(39)))}", line))

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
        for order_id, name in self._names.items():
            if len(order_id) >= _SHORTEST and order_id in text:
                text = text.replace(order_id, name)
        return _MAIL.sub(HIDDEN, without_credentials(text))


def _ids(value: Any) -> Iterator[str]:
    """The order ids that a decoded JSON value holds under their name."""
    if isinstance(value, dict):
        if isinstance(order_id := value.get(_ID), str):
            yield order_id
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _ids(item)
