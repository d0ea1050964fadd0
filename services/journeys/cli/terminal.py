"""Makes text from outside safe for a terminal: a letter's header, a server's answer, a broker's error."""

from __future__ import annotations

import sys

_LONGEST = 2_000
"""The most characters that are shown of one text."""
_END = 500
"""The characters of the text's end among them: an error ends with its remedy."""


def complain(*lines: str) -> None:
    """Write each line to stderr after the command's name, shortened and without terminal codes."""
    for line in lines:
        print(f"journeys: {harmless(line)}", file=sys.stderr)  # noqa: T201 - the one place where commands print errors


def shortened(text: str) -> str:
    """The text. A long one loses its middle."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _END]} … {text[-_END:]}"


def harmless(text: str) -> str:
    """The text, shortened, in one line. Escapes unprintable characters as Python does."""
    text = shortened(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
