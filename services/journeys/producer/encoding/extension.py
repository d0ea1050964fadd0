"""The encoders in C; None where the package was installed without a compiler, and everything is encoded in Python."""

from __future__ import annotations

from typing import Literal

try:
    from journeys.producer.encoding import native
except ImportError:
    native = None  # type: ignore[assignment]

__all__ = ["language", "native"]


def language(*, wanted: bool) -> Literal["c", "python"]:
    """What events are encoded in, where C is wanted and where it is not."""
    return "c" if wanted and native is not None else "python"
