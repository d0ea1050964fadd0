"""Whether a part of the worker is stuck. Pure: what is seen, and when, come as arguments.

A thread is stuck when it shows no sign of life for longer than `Patience.silence`. An order is stuck when it makes no
progress for longer than one page may take with all its tries, and that is not because it waits its turn: either nobody
was given a turn meanwhile, or so many were that it should have had its own. Behind a shut gate no order is stuck, and
the count begins anew when it opens; orders that are not due, wait for others to end, for room, or for the
schema of their message are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from journeys.model import Position
from journeys.ops.health import Report

Part: TypeAlias = Literal["kafka", "loop", "order"]
"""The Kafka thread, the event loop, or an order being worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What is borne with; times in seconds."""

    silence: float
    """A thread without a sign of life."""
    order: float
    """An order without a page."""
    turns: int
    """Requests that may be sent before one of this order's, when it is its turn again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look at the worker shows."""

    beats: Mapping[Part, float]
    """When each thread showed its last sign of life."""
    progress: Mapping[Position, int]
    """Orders being worked on, each with a number that changes when it gets on."""
    turns: int
    """Requests that were let go since the start."""
    is_shut: bool
    """Whether the gate is shut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Why a part counts as stuck; of an order, which one."""

    reason: str
    order: Position | None = None


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where an order stood when it got on for the last time."""

    sign: int
    since: float
    turns: int


class Watch:
    """Remembers from look to look; times are of one monotonic clock.

    A look that comes much too late means that the whole process stood still, stopped or without a CPU: nobody is
    blamed for that time.
    """

    def __init__(self, patience: Patience, *, now: float) -> None:
        self._patience = patience
        self._looked = self._awake_since = now
        self._turns = 0
        self._turned = now
        self._orders: dict[Position, _Progress] = {}
        self.stuck: Mapping[Part, Stuck] = {}
        """What was found at the last look; replaced whole, so any thread may read."""

    def report(self) -> Report:
        """For a probe: good when nothing is stuck."""
        return Report(reasons={str(part): stuck.reason for part, stuck in self.stuck.items()})

    def look(self, seen: Seen, now: float) -> None:
        """Find out what is stuck now."""
        if now - self._looked > self._patience.silence / 2:
            self._awake_since = now
        self._looked = now
        if seen.turns != self._turns:
            self._turns, self._turned = seen.turns, now
        self._orders = {at: self._progress(at, sign, seen, now) for at, sign in seen.progress.items()}
        found: dict[Part, Stuck] = {}
        for part, beat in seen.beats.items():
            age = now - max(beat, self._awake_since)
            if age >= self._patience.silence:
                found[part] = Stuck(reason=f"no sign of life for {age:.0f} s")
        if (order := self._stuck_order(now)) is not None:
            found["order"] = order
        self.stuck = found

    def _progress(self, at: Position, sign: int, seen: Seen, now: float) -> _Progress:
        known = self._orders.get(at)
        if known is None or known.sign != sign or seen.is_shut or self._awake_since == now:
            return _Progress(sign, now, seen.turns)
        return known

    def _stuck_order(self, now: float) -> Stuck | None:
        """The one that has stood still for the longest time."""
        bound = self._patience.order
        nobody_turns = now - max(self._turned, self._awake_since) >= bound
        stuck = {
            at: order.since
            for at, order in self._orders.items()
            if now - order.since >= bound and (nobody_turns or self._turns - order.turns >= self._patience.turns)
        }
        if not stuck:
            return None
        longest = min(stuck, key=lambda at: stuck[at])
        others = f", and {len(stuck) - 1} more" if len(stuck) > 1 else ""
        return Stuck(reason=f"{longest} does not get on for {now - stuck[longest]:.0f} s{others}", order=longest)
