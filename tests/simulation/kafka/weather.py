"""Mishaps of the calls of one process, by seed: errors, lost answers, death or a stop at some call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from tests.simulation.scheduler import Died, Process

_ENDLESS = 50_000
"""Calls at one moment: more are a loop that waits for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How likely each mishap is, per call."""

    retriable: float = 0.0
    """A call fails with an error that says: again."""
    abortable: float = 0.0
    fatal: float = 0.0
    """Half of the time, a commit took effect before."""
    answer_lost: float = 0.0
    """A commit's request or its answer is late, by seconds."""
    unreadable: float = 0.0
    """Committed offsets cannot be read at the moment."""
    full: float = 0.0
    """The producer's queue is full."""
    eager: float = 0.0
    """A record is sent at once, not with the others."""


CALM = Rates()


class EndlessLoopError(AssertionError):
    """The worker calls Kafka again and again, and no time passes."""


class Weather:
    """The mishaps of one process. `random` gives numbers in [0, 1); `rates` may change while it runs."""

    def __init__(self, process: Process, random: Callable[[], float], rates: Callable[[], Rates]) -> None:
        self.process = process
        self.random = random
        self._rates = rates
        self.calls = 0
        self.die_at: int | None = None
        self.freeze_at: int | None = None
        self.freeze_for = 0.0
        self.last_call = ""
        self._moment = -1.0
        self._calls_at_moment = 0

    def call(self, name: str, *, counts: bool = True) -> None:
        """A call into librdkafka begins: the place to die, or to stop for a while, where it `counts`."""
        process = self.process
        if not process.alive:
            raise Died
        self.calls += counts
        self.last_call = name
        if process.scheduler.now == self._moment:
            self._calls_at_moment += 1
            if self._calls_at_moment > _ENDLESS:
                raise EndlessLoopError(f"{name} is called for ever")
        else:
            self._moment, self._calls_at_moment = process.scheduler.now, 0
        if not counts:
            return
        if self.calls == self.die_at:
            process.kill()
            raise Died
        if self.calls == self.freeze_at:
            process.freeze()
            process.scheduler.after(self.freeze_for, process.thaw)
            process.wait(0.0)

    def strikes(self, mishap: str) -> bool:
        """Whether this mishap happens now."""
        rate: float = getattr(self._rates(), mishap)
        return rate > 0 and self.random() < rate


def failure(
    code: int, reason: str, *, fatal: bool = False, retriable: bool = False, abort: bool = False
) -> KafkaException:
    """The exception that librdkafka raises."""
    return KafkaException(KafkaError(code, reason, fatal=fatal, retriable=retriable, txn_requires_abort=abort))


def timed_out(what: str) -> KafkaException:
    """The exception that librdkafka raises for a time-out."""
    return failure(KafkaError._TIMED_OUT, f"{what}: timed out", retriable=True)
