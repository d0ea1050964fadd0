"""Whether events are encoded in C or by fastavro."""

from __future__ import annotations

import pytest

from journeys.producer.encoding import extension


def test_c_runs_only_if_it_is_wanted_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a C compiler encodes by fastavro, whatever the setting says."""
    monkeypatch.setattr(extension, "native", object())
    assert [extension.language(wanted=wanted) for wanted in (True, False)] == ["c", "python"]
    monkeypatch.setattr(extension, "native", None)
    assert [extension.language(wanted=wanted) for wanted in (True, False)] == ["python", "python"]
