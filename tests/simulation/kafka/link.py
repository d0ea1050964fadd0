"""The way between one process and the broker: how long it takes, when it is cut, and what the broker hears of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.simulation.scheduler import Process


class Link:
    """A process's connection. `latency` is the longest that an undisturbed request takes, in seconds."""

    def __init__(self, process: Process, *, latency: float = 0.005, heartbeat: float = 1.0) -> None:
        self.process = process
        self.scheduler = process.scheduler
        self.latency = latency
        self.heartbeat = heartbeat
        self._cut_since = 0.0
        self._cut_until = 0.0
        self._inbox: deque[Callable[[], object]] = deque()

    @property
    def is_cut(self) -> bool:
        """Whether nothing gets through."""
        return self.scheduler.now < self._cut_until

    def cut(self, seconds: float) -> None:
        """Let nothing through for so long, in either direction."""
        if not self.is_cut:
            self._cut_since = self.scheduler.now
        self._cut_until = max(self._cut_until, self.scheduler.now + seconds)

    def silent_since(self) -> float:
        """When the broker heard of this process last: now, for one that runs."""
        moments = [self.scheduler.now]
        if self.is_cut:
            moments.append(self._cut_since)
        if self.process.silent_since is not None:
            moments.append(self.process.silent_since)
        return min(moments)

    def wait_for_answer(self, timeout: float) -> bool:
        """Let a request and its answer travel; False where `timeout` passes first."""
        if timeout < 0:
            return False
        deadline = self.scheduler.now + timeout
        self.process.wait(min(self.latency * self.process.random(), timeout))
        while self.is_cut:
            left = deadline - self.scheduler.now
            if left <= 0:
                return False
            self.process.wait(min(left, self._cut_until - self.scheduler.now))
        return True

    def deliver(self, call: Callable[[], object], within: float) -> None:
        """Do `call` in this process's background within so many seconds, once it runs and is connected; in order."""
        scheduler, process = self.scheduler, self.process
        self._inbox.append(call)

        def soon() -> None:
            scheduler.after(within * process.random(), attempt)

        def attempt() -> None:
            if process.frozen:
                process.when_running(soon)
            elif self.is_cut:
                scheduler.at(self._cut_until, soon)
            elif process.alive:
                self._inbox.popleft()()

        soon()
