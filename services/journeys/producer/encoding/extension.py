"""The encoder in C, where the package was installed with a C compiler; None elsewhere."""

from __future__ import annotations

from typing import Literal

try:
    from journeys.producer.encoding import native
except ImportError:
    native = None  # type: ignore[assignment]

__all__ = ["language", "native"]


def language(*, wanted: bool) -> Literal["c", "python"]:
    """The language of the encoder that runs: "c" only if it is `wanted` and installed."""
    return "c" if wanted and native is not None else "python"
