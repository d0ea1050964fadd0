"""docs/tutorial.md, typed from its first command to its last one: a copy of the repository, an empty home, a shell.

`tests/broker/test_documents.py` compares the same commands in seconds. It installs nothing and shares its sandbox.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.broker.workers import until
from tests.support.document_blocks import ROOT, Command, commands

from journeys_sandbox.stack.artifacts import cache_directory

UV = Path(sys.executable).with_name("uv")
SANDBOX = "python -m journeys_sandbox"
PORTS = "--kafka-port 0 --registry-port 0 --api-port 0"
"""The sandbox's own ports may be taken on a developer's machine."""
ACTIVATE = ". .venv/bin/activate"

pytestmark = [
    pytest.mark.extra,
    pytest.mark.timeout(900),  # the first run downloads
    pytest.mark.skipif(not UV.exists(), reason="needs uv, which `make setup` installs"),
]


class Newcomer:
    """Types commands in a copy of the repository. The home is empty; only downloads come from caches."""

    def __init__(self, directory: Path) -> None:
        self.clone, self._home, self.temporary = (directory / name for name in ("clone", "home", "tmp"))
        for each in (self.clone, self._home, self.temporary):
            each.mkdir()
        for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():  # noqa: S607
            if (ROOT / name).exists():
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.clone / name)
        self._before = ""
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JOURNEYS_", "VIRTUAL_ENV"))},
            "HOME": str(self._home),
            "TMPDIR": str(self.temporary),
            "PATH": os.pathsep.join([f"{sys.base_prefix}/bin", os.defpath]),
            "LANG": "C.UTF-8",
            "JOURNEYS_SANDBOX_CACHE": str(cache_directory()),
            "JOURNEYS_OPS__PORT": "0",
            "UV_CACHE_DIR": subprocess.check_output([UV, "cache", "dir"], text=True).strip(),  # noqa: S603 - our own
        }

    def types(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the page to its end, in a terminal where `before` was typed."""
        return subprocess.run(  # noqa: S603 - a command of our page
            self._bash(command), cwd=self.clone, env=self._environment, capture_output=True, text=True, check=False
        )

    @contextmanager
    def leaves_running(self, command: Command) -> Iterator[None]:
        """Run a command while the block runs, which begins once it has printed its output. Then press Ctrl-C."""
        log = self.clone / f"{command.text.split()[-1]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - a command of our page
                self._bash(command.text), cwd=self.clone, env=self._environment, stdout=output, start_new_session=True
            )
            try:
                until(lambda: command.prints(log.read_text()), command.text)
                yield
            finally:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(60)

    def opens_terminals(self, before: str) -> None:
        """Type this first in each terminal from now on."""
        self._before = before

    def _bash(self, command: str) -> list[str]:
        typed = command.replace("pip install", f"{UV} pip install").replace(SANDBOX, f"{SANDBOX} {PORTS}")
        return ["bash", "-c", " && ".join(filter(None, (self._before, typed)))]


def test_newcomer_comes_from_a_clone_to_revenue_by_channel(tmp_path: Path) -> None:
    """Each command of the page exits with 0 and prints what the page shows. Ctrl-C leaves nothing behind."""
    newcomer = Newcomer(tmp_path)
    with ExitStack() as terminals:
        for command in commands("docs/tutorial.md"):
            if command.text.startswith("export "):
                continue  # addresses of the reader's own, in place of the sandbox
            if command.text.startswith(ACTIVATE):
                newcomer.opens_terminals(command.text)
            elif command.text.startswith((SANDBOX, "journeys run")):
                terminals.enter_context(newcomer.leaves_running(command))
            else:
                assert_prints(newcomer, command)
                if command.text.endswith(ACTIVATE):
                    newcomer.opens_terminals(ACTIVATE)
        done = newcomer.types(f"python {ROOT}/tests/support/wheel.py")
        assert done.returncode == 0, done.stderr
    assert [*newcomer.temporary.iterdir()] == []


def assert_prints(newcomer: Newcomer, command: Command) -> None:
    """Type a command. Type one that only looks again, until the worker has published what it shows."""

    def as_shown() -> bool:
        done = newcomer.types(command.text)
        print(f"$ {command.text}\n{done.stdout}{done.stderr}")  # noqa: T201 - pytest shows it if the test fails
        return done.returncode == 0 and command.prints(done.stdout)

    if command.text.startswith(("journeys show ", "journeys lag")):
        until(as_shown, command.text)
    else:
        assert as_shown(), command
