"""Settings, files, metrics and log events that documents and deployment files name exist."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from journeys.logs import LEVELS
from journeys.ops.definitions import series
from journeys.settings import load
from journeys.settings.loading import env_name, setting_names

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page for glob in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "tests/**/*.md") for page in ROOT.glob(glob)
)
TEXTS = [*PAGES, ROOT / "docker-compose.yml", ROOT / "Dockerfile"]
SERVICES = ROOT / "services"
PLACES = (SERVICES / "journeys", SERVICES / "journeys_sandbox", SERVICES, ROOT)
RUNBOOK = ROOT / "docs" / "runbook.md"
SETTINGS = {env_name(group, name) for group, name, _ in setting_names()}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_named_in_the_docs_exists(path: Path) -> None:
    """A setting renamed only in the code would leave the docs wrong."""
    named = set(re.findall(r"JOURNEYS_[A-Z]+__[A-Z_]+", path.read_text(encoding="utf-8")))
    assert named <= SETTINGS


def test_every_configuration_of_the_security_page_is_accepted(tmp_path: Path) -> None:
    """A misspelt property in an example would end in a refused start."""
    blocks = re.findall(
        r"(?:^(?:    .*)?\n)+", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    examples = [dedent(block) for block in blocks if "[kafka" in block or "[registry" in block]
    assert len(examples) > 4
    for example in examples:
        file = tmp_path / "journeys.toml"
        file.write_text(example, encoding="utf-8")
        load(file, {})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_linked_file_exists(path: Path) -> None:
    """Every link within the project leads to a file."""
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_named_in_the_docs_exists(path: Path) -> None:
    """A page names a module by its path from a package of ours, the repository's root, or the page's directory."""
    named = set(re.findall(r"`((?:\w+/)+\w+\.pyx?)`", path.read_text(encoding="utf-8")))
    assert [name for name in named if not any((place / name).exists() for place in (*PLACES, path.parent))] == []


def test_every_metric_of_the_runbook_exists() -> None:
    """An alert on a metric that does not exist never fires."""
    named = set(re.findall(r"journeys_[a-z_]+", RUNBOOK.read_text(encoding="utf-8")))
    assert named - series() - {"journeys_"} == set()


def test_every_log_event_of_the_runbook_exists() -> None:
    """Every event that the runbook names is one that the code logs."""
    text = RUNBOOK.read_text(encoding="utf-8")
    rows = re.findall(r"^\| log \| (.*) \|$", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}
    assert named <= {*LEVELS, "library.message"}
    assert len(rows) == text.count("| page |")


def test_every_section_that_the_runbook_links_exists() -> None:
    """The table on top leads to each section, and the sections to one another."""
    text = RUNBOOK.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z ]", "", line[3:].lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\]\(#([a-z-]+)\)", text)) == headings
