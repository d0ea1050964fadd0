"""Where a story is played: real workers on a real broker, and somebody who starts again what ended by itself."""

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
"""Why a worker may end with 1 while broker or registry are down: whoever runs workers starts them again."""
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
    """Where one worker works, then its successor. Every other one has an instance id that stays."""

    number: int
    worker: Worker | None = None
    frozen: bool = False
    leaves: bool = False
    """It was told to; its successor comes when it is gone."""

    @property
    def environment(self) -> dict[str, str]:
        """Settings of its own."""
        return {} if self.number % 2 else {"JOURNEYS_KAFKA__INSTANCE_ID": f"place-{self.number}"}


@dataclass
class Stage:
    """Plays steps, and writes down what happened when."""

    shop: Shop
    places: list[Place]
    told: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def tell(self, what: object) -> None:
        """One more line of the story."""
        self.told.append(f"{time.monotonic() - self.began:6.2f}  {what}")

    def open(self, workers: int) -> None:
        """So many workers, each a member of the group."""
        for place in self.places[:workers]:
            place.worker = self._hired(place)
        for place in self.places[:workers]:
            self._worker(place).until("orders.assigned")

    def play(self, steps: Sequence[Step]) -> None:
        """Everything that goes wrong, each at its time or as soon as the one before is over."""
        self.began = time.monotonic()
        pause = threading.Event()
        for step in steps:
            while (left := self.began + step.at - time.monotonic()) > 0:
                pause.wait(min(left, 0.5))
                self.look_after()
            self.tell(step)
            self._do(step)

    def look_after(self) -> None:
        """Start again whoever ended for a reason that is allowed; any other end is a failure."""
        for place in self.places:
            if place.worker is None or place.leaves:
                continue
            if (code := place.worker.process.poll()) is not None:
                failed = [line["reason"] for line in place.worker.lines("worker.failed")]
                self.tell(f"worker {place.number} ended with {code}: {failed}")
                assert code == 1, f"worker {place.number} ended with {code}"
                assert failed
                assert all(_MAY_END.search(reason) for reason in failed), failed
                place.worker = self._hired(place)

    def close(self) -> None:
        """Stop every worker as a user would; each ends with 0."""
        workers = [(place.number, place.worker) for place in self.places if place.worker is not None]
        for _, worker in workers:
            worker.process.send_signal(signal.SIGTERM)
        codes = {number: worker.process.wait(_EXIT_S) for number, worker in workers}
        assert codes == dict.fromkeys(codes, 0), codes

    def thaw(self) -> None:
        """Let everything go on, however the story ended: a frozen process cannot be ended."""
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
            code = place.worker.process.wait(_EXIT_S)
            # Before its first line, a process has nothing to hand over, and ends as any does.
            expected = 0 if place.worker.lines() else -signal.SIGTERM
            assert code == expected, f"worker {place.number} left with {code}"
            place.leaves = False
        place.worker = self._hired(place)

    def _hired(self, place: Place) -> Worker:
        return self.shop.crew.hire(**place.environment)

    def _worker(self, place: Place) -> Worker:
        assert place.worker is not None, f"nobody works at {place.number}"
        return place.worker

    def _registry(self, number: signal.Signals) -> None:
        pid = self.shop.stack.registry.pid
        assert pid is not None
        os.kill(pid, number)
