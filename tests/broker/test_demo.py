"""The demo as a user runs it: one command, everything real, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_shows_that_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """The demo ends with its sums, in plain lines without a terminal, and removes its topics and files."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    demo = subprocess.Popen(
        [sys.executable, "-m", "journeys", "demo", "--keep"],
        env={**plain, "TMPDIR": str(tmp_path), "JOURNEYS_KAFKA__GROUP_ID": "must-not-reach-the-demo"},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with demo:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.endswith("doctor\n"):  # the last of the commands to try
                demo.send_signal(signal.SIGINT)
    shown = "".join(lines)
    assert demo.returncode == 0, shown
    assert "300 orders, 300 summaries" in shown
    assert shown.count("  export JOURNEYS_") == 3
    assert "lost 0, doubled 0" in shown
    assert "\x1b" not in shown
    assert list(tmp_path.iterdir()) == []
