"""Exported dead letters, read back."""

from __future__ import annotations

from base64 import b64decode


def data_of(shown: dict[str, str] | None) -> bytes | None:
    """The bytes of a key, value or header that an exported letter shows."""
    if shown is None:
        return None
    return shown["text"].encode() if "text" in shown else b64decode(shown["base64"], validate=True)
