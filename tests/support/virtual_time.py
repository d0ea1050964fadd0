"""An event loop in virtual time: its clock jumps ahead whenever every task is blocked. An hour takes moments."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from journeys.clock import Clock

T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""The wall clock at virtual time 0."""


class _Jumping(selectors.DefaultSelector):
    """Does not wait: passes on how long it was to wait, in seconds."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The ready keys. Raises RuntimeError if none would ever be ready."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that never comes")
        if not ready and timeout:
            self._jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code that does no I/O of its own."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self._pass))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    @property
    def clock(self) -> Clock:
        """The same time, for what takes a clock."""
        return Clock(monotonic=self.time, wall=lambda: EPOCH + self._now)


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(loop))
