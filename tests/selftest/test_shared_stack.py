"""The stack that all processes of a test run share."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from tests.support.shared_stack import shared_stack

from journeys_sandbox.stack.processes import Workplace
from journeys_sandbox.stack.stack import Stack

IN_TIME_S = 60.0


class Empty(Stack):
    """A stack without processes, which writes down when it starts and stops."""

    def __init__(self, story: list[str]) -> None:
        super().__init__()
        self._story = story

    def start(self) -> None:
        """Take addresses and write a log."""
        self._story.append("started")
        self.broker._ports, self.registry._port = {"PLAINTEXT": 1001}, 1002
        self.broker._place = Workplace("empty")
        self.broker._place.log.write_text("a line of the broker")

    def stop(self) -> None:
        """Remove the log."""
        self._story.append("stopped")
        super().stop()


def test_the_first_process_starts_the_stack_and_stops_it_after_the_last_has_left(tmp_path: Path) -> None:
    """Another process gets the same addresses and the broker's log. File locks order threads as they do processes."""
    story: list[str] = []
    addresses: list[dict[str, str]] = []
    joined, leave = threading.Event(), threading.Event()

    def other_process() -> None:
        with shared_stack(tmp_path, lambda: Empty(story)) as stack:
            addresses.append(stack.environment)
            story.append(stack.broker.tail())
            joined.set()
            leave.wait(IN_TIME_S)
            story.append("left")

    other = threading.Thread(target=other_process)
    with ExitStack() as leaving:
        addresses.append(leaving.enter_context(shared_stack(tmp_path, lambda: Empty(story))).environment)
        other.start()
        assert joined.wait(IN_TIME_S)
        leaving.callback(leave.set)
    other.join(IN_TIME_S)
    assert story == ["started", "a line of the broker", "left", "stopped"]
    assert addresses[0] == addresses[1]


def test_a_process_that_comes_after_the_end_starts_a_stack_of_its_own(tmp_path: Path) -> None:
    """Nothing of the first stack is left that could be joined."""
    story: list[str] = []
    for _ in range(2):
        with shared_stack(tmp_path, lambda: Empty(story)):
            pass
    assert story == ["started", "stopped", "started", "stopped"]
