"""The attribution example's report in headless Chromium: axe-core finds no violation, in light and in dark."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.downstream.attribution.journeys import encoded
from tests.support.axe import axe_script
from tests.support.chromium import CHROMIUM

from attribution.cli import main
from attribution.database import open_database
from attribution.load import store

CHECK = "axe.run().then(found => { document.title = 'violations: ' + found.violations.map(each => each.id).join() })"

pytestmark = [
    pytest.mark.extra,
    pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason="needs Chromium: it is not on the PATH"),
]


def test_the_page_has_no_violation_of_accessibility_rules(tmp_path: Path) -> None:
    """Contrast, headings, tables and names are right in both colour schemes."""
    axe = axe_script(tmp_path)
    database, page = tmp_path / "a.duckdb", tmp_path / "page.html"
    with open_database(database) as connection:
        store(connection, *encoded(f"n{number}-{number}" for number in range(20)), {})
    assert main(["report", "--database", str(database), "--html", str(page)]) == 0
    scripts = f"<script>{axe}</script><script>{CHECK}</script></body>"
    page.write_text(page.read_text().replace("</body>", scripts))
    for scheme in (1, 0):  # light, dark
        done = subprocess.run(  # noqa: S603 - our own command
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--blink-settings=preferredColorScheme={scheme}",
             "--virtual-time-budget=20000", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        assert re.findall(r"<title>(.*?)</title>", done.stdout) == ["violations: "]
