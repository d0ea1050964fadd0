"""The demo as a user runs it: one command, everything real, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.document_blocks import commands


@pytest.mark.slow
def test_the_demo_shows_that_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """It prints what the README shows, in plain lines without a terminal. After Ctrl-C only the report is left.

    The proxy that its environment names does not answer, and is not needed.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    with subprocess.Popen(
        [sys.executable, "-m", "journeys", "demo", "--keep"],
        env={
            **plain,
            "TMPDIR": str(tmp_path),
            "JOURNEYS_KAFKA__GROUP_ID": "must-not-reach-the-demo",
            "http_proxy": "http://127.0.0.1:1",
            "no_proxy": "",
        },
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as demo:
        assert demo.stdout is not None
        shown = ""
        for line in demo.stdout:
            shown += line
            if "journeys doctor" in line:  # the last of the commands to try
                break
        exports = dict(re.findall(r"export (\S+)=(\S+)", shown))
        lag = subprocess.run(
            [sys.executable, "-m", "journeys", "lag"],
            env={**plain, **exports},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        demo.send_signal(signal.SIGINT)
        shown += demo.stdout.read()
    assert demo.returncode == 0, shown
    [in_readme] = [command for command in commands("README.md") if command.text == "make demo"]
    assert in_readme.output
    assert in_readme.prints(shown), shown
    assert "exit codes 0 and 0" in shown
    assert "\x1b" not in shown
    assert len(exports) == 3
    assert "All orders of group journeys are published." in lag.stdout, lag.stderr
    assert list(tmp_path.iterdir()) == []
    [report] = re.findall(r"The report is in (\S+)\.", shown)
    assert "Revenue by channel" in Path(report).read_text(encoding="utf-8")
