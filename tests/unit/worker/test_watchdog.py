"""The watchdog reports a stuck part: the reason, and the stack."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from journeys import logs
from journeys.model import Position
from journeys.ops.stuck import Part, Patience, Seen
from journeys.worker.watchdog import Watchdog

ORDER = Position(topic="orders", partition=0, offset=7)
SECRET = "ada@lovelace.example"


class Written(io.StringIO):
    """The logged events; to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._more = threading.Condition()

    def write(self, text: str) -> int:
        """One line."""
        with self._more:
            self._more.notify_all()
            return super().write(text)

    def until(self, event: str) -> None:
        """Block until it is logged."""
        with self._more:
            assert self._more.wait_for(lambda: event in self.getvalue(), 60)

    def lines(self) -> list[dict[str, Any]]:
        """Each line, decoded."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    """The logged events."""
    stream = Written()
    logs.configure(log_format="json", stream=stream)
    yield stream
    logs.configure(log_format="json", stream=io.StringIO())


def unexpected(defect: BaseException) -> None:
    """No defect is expected."""
    raise defect


class Worker:
    """The parts that the watchdog looks at."""

    def __init__(self) -> None:
        self.beats: dict[Part, float] = {}
        self.tasks: dict[Position, asyncio.Task[None]] = {}

    def see(self, beats: Mapping[Part, float]) -> Seen:
        """The loop's beat is always fresh: it is not what is tested."""
        assert list(beats) == ["loop"]
        return Seen(beats=self.beats, progress=dict.fromkeys(self.tasks, 0), turns=0, is_shut=False)


def test_stuck_order_is_logged_with_its_stack(written: Written) -> None:
    """Down to the innermost coroutine; no value of a variable is shown."""

    async def ask(reader: str) -> None:
        assert reader == SECRET
        await asyncio.get_running_loop().create_future()

    async def work() -> None:
        await ask(SECRET)

    async def main() -> None:
        worker = Worker()
        dog = Watchdog(
            Patience(silence_s=60, order_s=0, turns=0), see=worker.see, task_of=worker.tasks.get, failed=unexpected
        )
        task = worker.tasks[ORDER] = asyncio.create_task(work())
        await asyncio.sleep(0)
        dog.look()
        assert dog.report().reasons == {"order": "orders/0/7 does not get on for 0 s"}
        dog.look()
        worker.tasks.clear()
        dog.look()
        assert dog.report().good
        task.cancel()

    asyncio.run(main())
    stuck, unstuck = written.lines()
    assert (stuck["event"], stuck["level"], stuck["part"]) == ("worker.stuck", "error", "order")
    assert [line.rpartition(".")[2] for line in stuck["stack"]] == ["work", "ask"]
    assert (unstuck["event"], unstuck["part"]) == ("worker.unstuck", "order")
    assert SECRET not in written.getvalue()


def test_stuck_thread_is_logged_with_its_stack(written: Written) -> None:
    """By its name, wherever it waits."""
    release = threading.Event()

    def wait_for_kafka() -> None:
        release.wait()

    async def main() -> None:
        worker = Worker()
        dog = Watchdog(
            Patience(silence_s=0.5, order_s=60, turns=0), see=worker.see, task_of=worker.tasks.get, failed=unexpected
        )
        worker.beats["kafka"] = 0.0
        with dog.watching():
            await asyncio.to_thread(written.until, "worker.stuck")

    thread = threading.Thread(target=wait_for_kafka, name="kafka")
    thread.start()
    try:
        asyncio.run(main())
    finally:
        release.set()
        thread.join()
    [stuck] = written.lines()
    assert (stuck["event"], stuck["part"]) == ("worker.stuck", "kafka")
    assert any(line.endswith("wait_for_kafka") for line in stuck["stack"])


def test_blocked_event_loop_is_logged_while_it_is_blocked(written: Written) -> None:
    """The watchdog has a thread of its own; nothing of the loop is needed."""

    def block() -> None:
        written.until("worker.stuck")

    async def main() -> None:
        def see(beats: Mapping[Part, float]) -> Seen:
            return Seen(beats=beats, progress={}, turns=0, is_shut=False)

        dog = Watchdog(Patience(silence_s=0.5, order_s=60, turns=0), see=see, task_of=lambda _: None, failed=unexpected)
        with dog.watching():
            block()
            await asyncio.to_thread(written.until, "worker.unstuck")

    asyncio.run(main())
    stuck, unstuck = written.lines()
    assert (stuck["part"], unstuck["part"]) == ("loop", "loop")
    assert any("block" in line for line in stuck["stack"])


def test_defect_of_the_watchdog_is_reported() -> None:
    """Without its watchdog, a worker that is stuck would look healthy."""
    defect = ZeroDivisionError("a rule divides by zero")

    def see(_: Mapping[Part, float]) -> Seen:
        raise defect

    async def watch() -> BaseException:
        found: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        patience = Patience(silence_s=0.1, order_s=60, turns=0)
        with Watchdog(patience, see=see, task_of=lambda _: None, failed=found.set_result).watching():
            return await asyncio.wait_for(found, 60)

    assert asyncio.run(watch()) is defect
