"""`make setup` on machines that lack a part of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "source", "advice"),
    [
        ("ensurepip", "raise ImportError", "install python3-venv (Debian, Ubuntu: sudo apt install python3-venv)"),
        ("sitecustomize", "import sys; sys.version_info = (3, 9, 2)", "Python 3.11 or newer, and"),
        (None, "", "install python3, or say where it is with make PYTHON=/path/to/python3"),
    ],
    ids=["without-venv", "too-old", "without-python"],
)
def test_setup_says_in_one_line_what_to_install(tmp_path: Path, module: str | None, source: str, advice: str) -> None:
    """Without a fitting Python, setup ends before it creates anything, with one line besides make's own."""
    (tmp_path / f"{module}.py").write_text(source)
    (tmp_path / "python3").symlink_to(sys.executable)
    python = f"env PYTHONPATH={tmp_path} {tmp_path}/python3" if module else "python-that-is-not-there"
    done = subprocess.run(  # noqa: S603 - our own Makefile
        ["make", "setup", f"VENV={tmp_path}/venv", f"PYTHON={python}"],  # noqa: S607 - the user's make
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    said, own = done.stderr.splitlines()
    assert advice in said
    assert own.startswith("make")
    assert done.returncode == 2
    assert not (tmp_path / "venv").exists()
