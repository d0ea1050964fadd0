"""An order counts as stuck only if it does not wait for anything."""

from __future__ import annotations

from journeys.model import Position
from journeys.ops.stuck import Part, Patience, Seen, Watch

PATIENCE = Patience(silence_s=60.0, order_s=100.0, turns=1000)


def at(offset: int) -> Position:
    """An order message."""
    return Position(topic="orders", partition=0, offset=offset)


class Scene:
    """A worker that is looked at once a second; by default its threads are alive, and one request a second is sent."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = Watch(PATIENCE, now=0.0)
        self.dead: dict[Part, float] = {}
        self.progress: dict[Position, int] = {}
        self.turns = 0
        self.rate = 1
        self.is_shut = False

    def pass_time(self, seconds: int) -> dict[str, str]:
        """So many looks; what is stuck after them."""
        for _ in range(seconds):
            self.now += 1
            self.turns += self.rate
            beats: dict[Part, float] = {"kafka": self.now, "loop": self.now, **self.dead}
            seen = Seen(beats=beats, progress=dict(self.progress), turns=self.turns, is_shut=self.is_shut)
            self.watch.look(seen, self.now)
        return dict(self.watch.report().reasons)


def test_silent_thread_is_stuck_until_its_next_beat() -> None:
    """With the time that it has been silent."""
    scene = Scene()
    scene.pass_time(100)
    scene.dead["kafka"] = scene.now
    assert scene.pass_time(59) == {}
    assert scene.pass_time(1) == {"kafka": "no sign of life for 60 s"}
    scene.dead.clear()
    assert scene.pass_time(1) == {}


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    """After a SIGSTOP of an hour, each thread has as long as ever to show that it is alive."""
    scene = Scene()
    scene.progress[at(1)] = 0
    scene.pass_time(10)
    scene.dead["kafka"] = scene.now
    scene.rate = 0
    scene.now += 3600
    assert scene.pass_time(60) == {}
    assert list(scene.pass_time(1)) == ["kafka"]
    assert sorted(scene.pass_time(60)) == ["kafka", "order"]


def test_order_without_progress_is_stuck() -> None:
    """If no request is sent meanwhile, it cannot be waiting for its turn."""
    scene = Scene()
    scene.progress[at(7)] = 0
    scene.rate = 0
    assert scene.pass_time(99) == {}
    scene.progress[at(8)] = 0
    assert scene.pass_time(2) == {"order": "orders/0/7 does not get on for 100 s"}
    assert scene.pass_time(100) == {"order": "orders/0/7 does not get on for 200 s, and 1 more"}
    assert scene.watch.stuck["order"].order == at(7)
    scene.progress = {at(8): 1}
    assert scene.pass_time(1) == {}


def test_large_journey_is_not_stuck_while_pages_come() -> None:
    """However long it takes in all."""
    scene = Scene()
    scene.rate = 0
    for page in range(50):
        scene.progress[at(1)] = page
        assert scene.pass_time(90) == {}


def test_order_that_waits_its_turn_is_not_stuck() -> None:
    """While others are asked for, it is stuck only once all that may be before it have had theirs."""
    scene = Scene()
    scene.progress[at(1)] = 0
    assert scene.pass_time(1000) == {}
    assert list(scene.pass_time(1)) == ["order"]


def test_no_order_is_stuck_behind_a_shut_gate() -> None:
    """And the time counts anew from the moment it opens."""
    scene = Scene()
    scene.progress[at(1)] = 0
    scene.rate = 0
    scene.is_shut = True
    assert scene.pass_time(10_000) == {}
    scene.is_shut = False
    assert scene.pass_time(99) == {}
    assert list(scene.pass_time(1)) == ["order"]
