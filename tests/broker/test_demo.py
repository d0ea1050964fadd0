"""The demo as a user runs it: one command, everything real, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_shows_that_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """The demo ends with its sums, in plain lines without a terminal, and removes its topics and files."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    done = subprocess.run(
        [sys.executable, "-m", "journeys", "demo"],
        env={**plain, "TMPDIR": str(tmp_path), "JOURNEYS_KAFKA__GROUP_ID": "must-not-reach-the-demo"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 orders, 300 summaries" in done.stdout
    assert "lost 0, doubled 0" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []
