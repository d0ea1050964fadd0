"""Text that comes from outside, as a terminal may show it: a letter's header, a server's answer, a broker's error."""

from __future__ import annotations

import sys

_LONGEST = 2_000
"""Characters shown of one text; more would push the rest off the screen."""
_END = 500
"""How many of them are the end of the text: an error ends with what to do."""


def complain(*lines: str) -> None:
    """Write each line to stderr after the command's name, shortened and without terminal codes."""
    for line in lines:
        print(f"journeys: {harmless(line)}", file=sys.stderr)  # noqa: T201 - this is where a command speaks


def shortened(text: str) -> str:
    """The text; a long one loses its middle."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _END]} … {text[-_END:]}"


def harmless(text: str) -> str:
    """The text, shortened, in one line; characters that are not printable are escaped as in Python."""
    text = shortened(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
