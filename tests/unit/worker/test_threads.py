"""Blocking calls in daemon threads beside the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from journeys.worker.threads import in_daemon_thread


def test_result_of_a_thread_comes_to_the_event_loop() -> None:
    """The thread has the given name, and does not keep the process alive."""

    async def main() -> tuple[str, bool]:
        def call() -> tuple[str, bool]:
            return threading.current_thread().name, threading.current_thread().daemon

        return await in_daemon_thread(call, name="kafka")

    assert asyncio.run(main()) == ("kafka", True)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_exception_of_a_thread_is_raised_by_the_future(error: BaseException) -> None:
    """Also one that would end a thread silently."""

    def call() -> None:
        raise error

    async def main() -> BaseException | None:
        future = in_daemon_thread(call, name="kafka")
        await asyncio.wait({future})
        return future.exception()

    assert asyncio.run(main()) is error


def test_late_result_of_a_cancelled_future_is_dropped() -> None:
    """The thread cannot be ended; its result comes when no task waits any more."""
    release = threading.Event()

    async def main() -> None:
        future = in_daemon_thread(release.wait, name="slow")
        future.cancel()
        release.set()
        await in_daemon_thread(lambda: None, name="later")
        assert future.cancelled()

    asyncio.run(main())


def test_result_after_the_end_of_the_event_loop_is_dropped() -> None:
    """A stop does not wait for a blocked thread; that thread must not fail afterwards."""
    release = threading.Event()
    before = set(threading.enumerate())

    async def main() -> None:
        in_daemon_thread(release.wait, name="slow")

    asyncio.run(main())
    [slow] = set(threading.enumerate()) - before
    release.set()
    slow.join(timeout=10)
    assert not slow.is_alive()
