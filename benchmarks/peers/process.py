"""Runs a peer as a process, measures its cost, and restarts it when it ends by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.worker import resident

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_REST_S: Final = 1.0
"""Seconds from the end of a peer to its next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The cost of a peer so far, at one moment."""

    at: float
    """Seconds since the epoch."""
    cpu: float
    """CPU seconds (user and system) of its whole process tree."""


class Process:
    """A peer in a session of its own. Call `tick` several times a second while you measure."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, directory: Path) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._directory = directory
        self._before = 0.0
        self._ended: float | None = None
        self._peaks: dict[int, float] = {}
        self.samples: list[Sample] = []
        self.restarts = 0
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - from our own table
                self._command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._ended = None

    def tick(self) -> None:
        """Take a sample. If the peer has ended, start it again, as a supervisor would."""
        now = time.time()
        if self._process.poll() is None:
            tree = _tree(self._process.pid)
            used = sum(_cpu(pid) for pid in tree)
            self._peaks |= {pid: peak for pid in tree if (peak := _peak(pid))}
            self.samples.append(Sample(at=now, cpu=self._before + used))
        elif self._ended is None:
            self._ended = now
            self._before = self.samples[-1].cpu if self.samples else 0.0
        elif now - self._ended >= _REST_S:
            self.restarts += 1
            self._start()

    def cpu_between(self, start: float, end: float) -> float:
        """CPU seconds between two times, interpolated from the samples."""
        return self._cpu_at(end) - self._cpu_at(start)

    def _cpu_at(self, when: float) -> float:
        earlier = [sample for sample in self.samples if sample.at <= when]
        later = [sample for sample in self.samples if sample.at > when]
        if not earlier or not later:
            return (earlier[-1:] or later[:1])[0].cpu
        before, after = earlier[-1], later[0]
        return before.cpu + (after.cpu - before.cpu) * (when - before.at) / (after.at - before.at)

    @property
    def memory(self) -> float:
        """The sum of its processes' peak resident memory, in MiB."""
        return sum(self._peaks.values())

    def kill(self) -> None:
        """Send SIGKILL to the whole process group."""
        self.tick()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def again(self) -> None:
        """Start it after `kill`. This does not count as a restart."""
        self._before = self.samples[-1].cpu if self.samples else 0.0
        self._start()

    def stop(self) -> None:
        """Send SIGTERM, wait up to 20 s, then send SIGKILL to the process group."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)

    def last_words(self) -> str:
        """The last 2,000 characters of its log."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]


def _tree(pid: int) -> list[int]:
    """The ids of a process and of all its descendants."""
    tree = [pid]
    for parent in tree:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                tree += map(int, task.read_text(encoding="ascii").split())
            except OSError:
                continue
    return tree


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of its ended children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def _peak(pid: int) -> float:
    try:
        return resident(pid, "VmHWM")
    except OSError:
        return 0.0
