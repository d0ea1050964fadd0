"""Runs one command and outlives its parent by a moment only: `python guard.py DIRECTORY COMMAND…`.

Standard input is the cord to the parent. When it closes, because the parent is gone in whatever way (an
exception, SIGTERM, SIGKILL), the command is killed and DIRECTORY removed. Neither a process group nor
PR_SET_PDEATHSIG does this: the first survives a SIGKILL of the parent, the second follows the *thread* that
started the child, and exists on Linux only. Uses the standard library alone, so it starts in milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading


def main(directory: str, command: list[str]) -> int:
    """Run the command; print its process id; return its exit code (negative: ended by that signal)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)  # noqa: S603  # our own command line
    print(child.pid, flush=True)  # noqa: T201  # the parent reads it
    cut = threading.Event()
    threading.Thread(target=_watch, args=(child, cut), daemon=True).start()
    code = child.wait()
    if cut.is_set():
        shutil.rmtree(directory, ignore_errors=True)
    return code


def _watch(child: subprocess.Popen[bytes], cut: threading.Event) -> None:
    """Wait for the cord to be cut; then kill."""
    while os.read(0, 1024):
        pass
    cut.set()
    child.kill()


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    os._exit(code if code >= 0 else 128 - code)  # the watching thread may hold standard input
