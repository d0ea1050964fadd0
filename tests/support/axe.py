"""axe-core, which checks a page against rules of accessibility: from npm, of one version, with a pinned hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import pytest

_PACKAGE: Final = "axe-core@4.14.1"
_SHA256: Final = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_NPM: Final = shutil.which("npm") or "npm"


def axe_script(directory: Path) -> str:
    """The script that defines `axe`; npm puts the package into `directory`. Skips the test without npm."""
    if shutil.which(_NPM) is None:
        pytest.skip("needs npm, which brings axe-core: it is not on the PATH")
    done = subprocess.run(  # noqa: S603 - our own command
        [_NPM, "pack", "--silent", _PACKAGE], cwd=directory, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"npm does not bring {_PACKAGE}: {done.stderr.strip()[-200:]}")
    archive = directory / done.stdout.strip()
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == _SHA256, "npm brought another axe-core"
    with tarfile.open(archive) as tar:
        script = tar.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()
