"""Watches the worker from a thread of its own, so that it works while the event loop is blocked.

The rule is `ops.stuck`. This module feeds it and logs its verdicts: `worker.stuck` with the stack of the stuck part
(without the values of variables), and `worker.unstuck` when that part continues.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from journeys.clock import Clock
from journeys.logs import log
from journeys.model import Position
from journeys.ops.stuck import Part, Patience, Seen, Stuck, Watch

Stack = list[str]
"""`file:line function`, the innermost last."""


class Watchdog:
    """Create it on the event loop, whose signs of life it collects itself.

    `see` gets these signs on the watchdog's thread, and returns the whole observation. `task_of` finds the task of an
    order. `failed` gets a defect of the watchdog, on the event loop: without it, a stuck worker would look healthy.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        see: Callable[[Mapping[Part, float]], Seen],
        task_of: Callable[[Position], asyncio.Task[None] | None],
        failed: Callable[[BaseException], None],
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._watch = Watch(patience, now=self._clock.monotonic())
        self._pause = min(1.0, patience.silence_s / 4)
        self._see = see
        self._task_of = task_of
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._loop_beat = self._clock.monotonic()
        self._is_asked = False
        self._end = threading.Event()
        self.report = self._watch.report

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the worker while the block runs."""
        thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._end.set()

    def look(self) -> None:
        """Make one observation, and log each change."""
        before = self._watch.stuck
        self._watch.look(self._see({"loop": self._loop_beat}), self._clock.monotonic())
        now = self._watch.stuck
        for part in before.keys() - now.keys():
            log("worker.unstuck", part=part)
        for part in now.keys() - before.keys():
            log("worker.stuck", part=part, reason=now[part].reason, stack=self._stack(part, now[part]))

    def _run(self) -> None:
        try:
            while not self._end.wait(self._pause):
                self._ask_loop()
                self.look()
        except Exception as defect:  # noqa: BLE001 - whatever it is
            self._loop.call_soon_threadsafe(self._failed, defect)

    def _ask_loop(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # the loop is closed: the process is about to end
                self._end.set()

    def _answer(self) -> None:
        self._loop_beat = self._clock.monotonic()
        self._is_asked = False

    def _stack(self, part: Part, stuck: Stuck) -> Stack:
        if stuck.order is not None:
            task = self._task_of(stuck.order)
            return [] if task is None else stack_of_task(task)
        if part == "loop":
            return stack_of_thread(self._loop_thread)
        return [
            line
            for thread in threading.enumerate()
            if thread.name == part and thread.ident is not None
            for line in stack_of_thread(thread.ident)
        ]


def stack_of_thread(ident: int) -> Stack:
    """The stack of a thread now, empty if it has ended."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - the documented way to see another thread's stack
    frames = [] if frame is None else list(traceback.walk_stack(frame))
    return [_line(frame, number) for frame, number in reversed(frames)]


def stack_of_task(task: asyncio.Task[Any]) -> Stack:
    """The stack of a waiting task, through all awaited coroutines. `Task.get_stack` gives only the first frame."""
    stack: Stack = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            stack.append(_line(frame, frame.f_lineno))
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return stack


def _line(frame: FrameType, number: int) -> str:
    return f"{frame.f_code.co_filename}:{number} {frame.f_code.co_qualname}"
