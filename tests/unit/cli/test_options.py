"""The settings that command-line options give."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeys.cli.options import loaded, settings_of


def test_an_option_overrides_the_environment_which_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most specific source counts."""
    file = tmp_path / "journeys.toml"
    file.write_text('[kafka]\ngroup_id = "file"\n')
    assert settings_of(file).kafka.group_id == "file"
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_ID", "environment")
    assert settings_of(file).kafka.group_id == "environment"
    assert loaded(file, {"JOURNEYS_KAFKA__GROUP_ID": "option"}).settings.kafka.group_id == "option"
