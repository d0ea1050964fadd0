"""The problems that wrong settings have."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeys.errors import SettingsError
from journeys.settings import load


def problems(environ: dict[str, str], file: Path | None = None) -> dict[str, str]:
    """Return the problems that `load` reports, by setting."""
    with pytest.raises(SettingsError) as caught:
        load(file, environ)
    return dict(caught.value.problems)
