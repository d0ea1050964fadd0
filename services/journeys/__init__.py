"""Completed orders in, whole customer journeys out, exactly once, on Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from journeys.library import (
        HaltError,
        Journey,
        JourneysError,
        NotFoundYetError,
        OrderError,
        Record,
        Settings,
        SettingsError,
        encode_journey,
        fetch_journey,
        fetch_schema_ids,
        load_settings,
    )
else:

    def __getattr__(name: str) -> object:
        """Import the public API at its first use (PEP 562), so that the command starts fast."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from journeys import library  # noqa: PLC0415 - it takes a moment to import

        return getattr(library, name)


__all__ = [
    "HaltError",
    "Journey",
    "JourneysError",
    "NotFoundYetError",
    "OrderError",
    "Record",
    "Settings",
    "SettingsError",
    "encode_journey",
    "fetch_journey",
    "fetch_schema_ids",
    "load_settings",
]
