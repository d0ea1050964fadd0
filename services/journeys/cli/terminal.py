"""Text from outside as people are shown it: a header of a letter, a server's answer, what a broker says."""

from __future__ import annotations

_LONGEST = 2_000
"""Characters: more would push what matters off the screen."""
_END = 500
"""So many of them are the text's last: an error ends with what to do."""


def shortened(text: str) -> str:
    """The text; one that is too long loses its middle."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _END]} … {text[-_END:]}"


def harmless(text: str) -> str:
    """The text, shortened, on one line that does nothing to a terminal: what is not printable is written out."""
    text = shortened(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
