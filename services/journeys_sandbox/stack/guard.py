"""Runs one command that must not outlive its parent process: `python guard.py DIRECTORY COMMAND…`.

Standard input is a pipe from the parent. It closes when the parent ends for any reason (an exception, SIGTERM,
SIGKILL). The guard then kills the command and removes DIRECTORY. A process group would survive a SIGKILL of the parent.
PR_SET_PDEATHSIG follows the *thread* that started the child, and exists on Linux only. The guard needs the standard
library alone, so it starts in milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading


def main(directory: str, command: list[str]) -> int:
    """Run the command and print its process id. Returns its exit code, negative for a signal."""
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
    """Wait until the parent's pipe closes, then kill the command."""
    while os.read(0, 1024):
        pass
    cut.set()
    child.kill()


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    os._exit(code if code >= 0 else 128 - code)  # without clean-up: the watching thread may still read standard input
