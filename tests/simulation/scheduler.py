"""Virtual time: events in order, threads that are stacks, and an event loop whose clock is this one.

Nothing here waits. The scheduler takes the earliest event, sets the time to it and runs it; events of one moment run in
the order in which they were made. A thread is a greenlet: it runs until it waits, then the next event has its turn.
So a run depends on nothing but its seed (and on PYTHONHASHSEED, since sets of strings have an order of their own).
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it has no types


class Died(BaseException):
    """The process of this thread is dead. Not an Exception: no code of the worker takes it for one of its own."""


class Scheduler:
    """All that happens, in the order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self.main = getcurrent()

    def at(self, when: float, call: Callable[[], object]) -> None:
        """Run `call` at `when`, or now where that is past."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), call))

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Run `call` in so many seconds."""
        self.at(self.now + seconds, call)

    def run(self, until: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Run what happens up to `until`, or until it is `enough`."""
        self.at(until, _nothing)  # so that no thread runs ahead of it
        while self._heap and self._heap[0][0] <= until and not enough():
            self.now, _, call = heapq.heappop(self._heap)
            call()

    def is_quiet_until(self, when: float) -> bool:
        """Whether nothing is to happen before `when` or at it."""
        return not self._heap or self._heap[0][0] > when

    def suspend(self) -> None:
        """Leave the running thread; some event will switch to it again."""
        self.main.switch()


class Process:
    """Threads and an event loop that die and freeze together. `random` gives numbers in [0, 1)."""

    def __init__(self, scheduler: Scheduler, name: str, random: Callable[[], float]) -> None:
        self.scheduler = scheduler
        self.name = name
        self.random = random
        self.alive = True
        self.frozen = False
        self.silent_since: float | None = None
        """Since when it is frozen or dead."""
        self._thawed_at = -1.0
        self.lag = 0.0
        """The most seconds that the event loop is behind when another thread calls it."""
        self.loop = VirtualLoop(self)
        self._late: list[Callable[[], object]] = []
        self._threads: list[Thread] = []
        self.current: Thread | None = None

    def thread(self, run: Callable[[], object]) -> Thread:
        """A thread of this process, started now."""
        thread = Thread(self, run)
        self._threads.append(thread)
        thread.start()
        return thread

    def when_running(self, call: Callable[[], object]) -> None:
        """Do it now, or when the process is thawed, or never where it is dead."""
        if self.frozen:
            self._late.append(call)
        elif self.alive:
            call()

    def freeze(self) -> None:
        """SIGSTOP."""
        if not self.frozen:
            self.frozen, self.silent_since = True, self.scheduler.now

    def thaw(self) -> None:
        """SIGCONT."""
        if not self.frozen or not self.alive:
            return
        self.frozen, self.silent_since, self._thawed_at = False, None, self.scheduler.now
        late, self._late = self._late, []
        for call in late:
            self.scheduler.after(0.0, partial(self.when_running, call))

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        if not self.alive:
            return
        self.alive = False
        if self.silent_since is None:
            self.silent_since = self.scheduler.now
        self._late.clear()
        for thread in self._threads:
            thread.drop()
        self.loop.drop()

    def was_frozen_after(self, when: float) -> bool:
        """Whether it was stopped at any time since `when`."""
        return self.frozen or self._thawed_at >= when

    def wait(self, seconds: float, signal: Signal | None = None) -> None:
        """Let the running thread of this process wait, for `signal` or so long."""
        assert self.current is not None, "only a thread of a process can wait"
        self.current.wait(seconds, signal)


class Signal:
    """Wakes those threads that wait for it."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []

    def add(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, when it is fired."""
        self._waiting.append(wake)

    def fire(self) -> None:
        """Wake them."""
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()


class Thread:
    """A stack that runs until it waits. `error` is what it ended with."""

    def __init__(self, process: Process, run: Callable[[], object]) -> None:
        self._process = process
        self._scheduler = process.scheduler
        self._run = run
        self._greenlet = greenlet(self._main, parent=process.scheduler.main)
        self._waits = 0
        self.done = False
        self.ended = Signal()
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin, in a moment."""
        self._scheduler.after(0.0, self._waker())

    def wait(self, seconds: float, signal: Signal | None = None) -> None:
        """Let others run for so long, or until `signal`; called by this thread itself. Raises Died."""
        scheduler, process = self._scheduler, self._process
        when = scheduler.now + seconds
        if process.alive and not process.frozen and scheduler.is_quiet_until(when):
            scheduler.now = when
            return
        self._waits += 1
        wake = self._waker()
        scheduler.at(when, wake)
        if signal is not None:
            signal.add(lambda: scheduler.after(0.0, wake))
        scheduler.suspend()
        if not process.alive:
            raise Died

    def drop(self) -> None:
        """Unwind the stack of a dead process; a thread that dies by its own hand does it by itself."""
        if self._greenlet and self._greenlet is not getcurrent():
            self._greenlet.parent = getcurrent()  # where it goes when it has ended
            self._greenlet.throw(Died)

    def _waker(self) -> Callable[[], object]:
        """A function that ends this wait, and no later one."""
        number = self._waits

        def resume() -> None:
            if number == self._waits and not self.done:
                self._waits += 1
                self._switch()

        return lambda: self._process.when_running(resume)

    def _switch(self) -> None:
        process = self._process
        before, process.current = process.current, self
        try:
            self._greenlet.switch()
        finally:
            process.current = before

    def _main(self) -> None:
        try:
            if self._process.alive:
                self._run()
        except Died:
            pass
        except BaseException as error:  # noqa: BLE001 - the starter of the thread looks at it
            self.error = error
        self.done = True
        self.ended.fire()


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time. It is turned by the scheduler, whenever one of its calls is due."""

    _ready: deque[Any]
    _scheduled: list[Any]
    _run_once: Callable[[], None]

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process
        self._scheduler = process.scheduler
        self._selector = _Nothing()
        self._clock_resolution = 1e-9  # a timer that is due at this very moment is due
        self._armed: float | None = None
        self._calls = 0  # from other threads, not heard yet
        self._latest_call = 0.0
        self.failures: list[str] = []
        """Exceptions that no task caught."""
        self.set_exception_handler(lambda _loop, context: self.failures.append(repr(context)))
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.set_task_factory(self._task)

    def time(self) -> float:
        """The scheduler's time."""
        return self._scheduler.now

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """From another thread: in order, but late by as much as the loop is busy."""
        process, scheduler = self._process, self._scheduler
        self._calls += 1
        self._latest_call = max(self._latest_call, scheduler.now + process.lag * process.random())
        scheduler.at(self._latest_call, lambda: process.when_running(lambda: self._call(callback, args, context)))

    @property
    def is_up_to_date(self) -> bool:
        """Whether all that other threads asked of it is done."""
        return not self._calls

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let code that asks for the running event loop find this one."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
        self._arm()

    def drop(self) -> None:
        """Cancel every task."""
        with self.running():
            while self._tasks:
                for task in list(self._tasks):
                    task.cancel()
                while self._ready:
                    self._run_once()
        self._scheduled.clear()
        self.close()

    def _task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """As usual, but known here in the order of their making."""
        task = _NumberedTask(coroutine, loop=loop, **options)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def _call(self, callback: Any, args: Any, context: Any) -> None:
        self.call_soon(callback, *args, context=context)
        self._turn()
        self._calls -= 1

    def _turn(self) -> None:
        if self._process.alive:
            with self.running():
                while self._ready or (self._scheduled and self._scheduled[0]._when <= self._scheduler.now):
                    self._run_once()

    def _arm(self) -> None:
        if self._process.alive and self._scheduled:
            when = self._scheduled[0]._when
            if self._armed is None or when < self._armed or self._armed <= self._scheduler.now:
                self._armed = when
                self._scheduler.at(when, lambda: self._process.when_running(self._turn))

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """No thread sleeps."""


class _NumberedTask(asyncio.Task[Any]):
    """Sets of tasks, as a TaskGroup keeps, have an order that no memory address decides."""

    _numbers = count()

    def __init__(self, *args: Any, **options: Any) -> None:
        self._number = next(self._numbers)  # first: asyncio puts it into a set at once
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


class _Nothing:
    def select(self, _timeout: float | None) -> list[object]:
        return []

    def close(self) -> None:
        pass


def _nothing() -> None:
    pass
