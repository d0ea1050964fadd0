"""Plays a story with real workers on a real broker. Restarts workers that end by themselves, as a supervisor would."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.broker.shop import Shop
from tests.broker.workers import Worker
from tests.chaos.story import Step

_MAY_END = re.compile(r"no broker answers|the schema registry at .* cannot be asked|Kafka did not let go")
"""The reasons for which a worker may exit with 1 while the broker or the registry is down."""
_EXIT_S = 30.0
_SIGNALS = {
    "freeze": signal.SIGSTOP,
    "thaw": signal.SIGCONT,
    "leave": signal.SIGTERM,
    "registry-stops": signal.SIGSTOP,
    "registry-goes-on": signal.SIGCONT,
}


@dataclass
class Place:
    """The place of one worker and its successors. Every other place has a stable instance id."""

    number: int
    worker: Worker | None = None
    frozen: bool = False
    leaves: bool = False
    """Whether the worker was asked to leave. Its successor starts after it has ended."""

    @property
    def environment(self) -> dict[str, str]:
        """The settings of this place."""
        return {} if self.number % 2 else {"JOURNEYS_KAFKA__INSTANCE_ID": f"place-{self.number}"}


@dataclass
class Stage:
    """Plays the steps of a story, and logs them with their times."""

    shop: Shop
    places: list[Place]
    lines: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _late: float = 0.0

    def tell(self, what: object) -> None:
        """Add a line to the log of the story."""
        self.lines.append(f"{time.monotonic() - self.began:6.2f}  {what}")

    def open(self, workers: int) -> None:
        """Start `workers` workers, and wait until each has partitions."""
        for place in self.places[:workers]:
            place.worker = self._hired(place)
        for place in self.places[:workers]:
            self._worker(place).until("orders.assigned")

    def play(self, steps: Sequence[Step]) -> None:
        """Play all steps at their times. A long step delays the steps after it."""
        self.began = time.monotonic()
        pause = threading.Event()
        for step in steps:
            while (left := self.began + step.at + self._late - time.monotonic()) > 0:
                pause.wait(min(left, 0.5))
                self.look_after()
            self.tell(step)
            before = time.monotonic()
            self._do(step)
            self._late += time.monotonic() - before

    def look_after(self) -> None:
        """Restart workers that ended for an allowed reason. Any other end is a failure."""
        for place in self.places:
            if place.worker is None or place.leaves:
                continue
            if place.worker.process.poll() is not None:
                self._ended(place.worker)
                place.worker = self._hired(place)

    def close(self) -> None:
        """Stop every worker with SIGTERM, as a user would."""
        workers = [place.worker for place in self.places if place.worker is not None]
        for worker in workers:
            worker.process.send_signal(signal.SIGTERM)
        for worker in workers:
            self._ended(worker, asked=True)

    def thaw(self) -> None:
        """Thaw every process, also after a failure: a frozen process does not end."""
        for place in self.places:
            if place.frozen and place.worker is not None:
                os.kill(place.worker.process.pid, signal.SIGCONT)
        self._registry(signal.SIGCONT)

    def _do(self, step: Step) -> None:
        place = self.places[step.who]
        match step.what:
            case "hire":
                self._replace(place)
            case "kill":
                self._worker(place).kill()
                place.worker = None
            case "freeze" | "thaw" | "leave":
                self._worker(place).process.send_signal(_SIGNALS[step.what])
                place.frozen, place.leaves = step.what == "freeze", step.what == "leave"
            case "broker":
                self.shop.stack.broker.kill()
                self.shop.stack.broker.restart()
            case "registry-stops" | "registry-goes-on":
                self._registry(_SIGNALS[step.what])
            case "api":
                self.shop.api.change(step.how)

    def _replace(self, place: Place) -> None:
        if place.worker is not None:
            self._ended(place.worker, asked=place.leaves)
            place.leaves = False
        place.worker = self._hired(place)

    def _ended(self, worker: Worker, *, asked: bool = False) -> None:
        """Check its exit code: 0 after a stop, or 1 while the broker or the registry was down."""
        code = worker.process.wait(_EXIT_S)
        if code == 1:
            [failed] = worker.lines("worker.failed")
            self.tell(f"a worker ended: {failed['reason'][:60]}")
            assert _MAY_END.search(failed["reason"]), failed
        else:
            # Python's own start handles no signal yet: a process that logged nothing may end as any does.
            expected = {0} if worker.lines() else {0, -signal.SIGTERM}
            assert asked, f"a worker ended by itself with {code}"
            assert code in expected, f"a worker that was asked to end did so with {code}"

    def _hired(self, place: Place) -> Worker:
        return self.shop.crew.hire(**place.environment)

    def _worker(self, place: Place) -> Worker:
        assert place.worker is not None, f"no worker works at {place.number}"
        return place.worker

    def _registry(self, number: signal.Signals) -> None:
        pid = self.shop.stack.registry.pid
        assert pid is not None
        os.kill(pid, number)
