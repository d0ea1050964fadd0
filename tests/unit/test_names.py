"""What documents and deployment files name is there: settings, commands, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from journeys.settings.loading import env_name, setting_names

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", ROOT / "docker-compose.yml", ROOT / "Dockerfile", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = {env_name(group, name) for group, name, _ in setting_names()}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    """A name that was changed in the code alone would send people astray."""
    named = set(re.findall(r"JOURNEYS_[A-Z]+__[A-Z_]+", path.read_text(encoding="utf-8")))
    assert named <= SETTINGS


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_every_file_that_is_linked_exists(path: Path) -> None:
    """Links within the project lead somewhere."""
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []
