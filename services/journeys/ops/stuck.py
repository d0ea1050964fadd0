"""Decides whether a part of the worker is stuck. Sans-I/O: the observations and the time are arguments.

A thread is stuck if it shows no sign of life for longer than `Patience.silence_s`. An order is stuck if it got no page
for longer than `Patience.order_s`, although it was its turn. It was its turn if the gatekeeper gave no turn at all in
that time, or gave more turns than there can be orders in line.

Behind a shut gate no order is stuck, and the time starts again when the gate opens. The rule ignores orders that are
not due, and those that wait for other orders, for memory, or for the schema of their message.
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
    """The limits of the rule."""

    silence_s: float
    """The longest silence of a thread."""
    order_s: float
    """The longest time of an order without a page."""
    turns: int
    """The most turns that other requests may get before it is this order's turn again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One observation of the worker."""

    beats: Mapping[Part, float]
    """The last sign of life of each thread, by the monotonic clock."""
    progress: Mapping[Position, int]
    """The orders in progress, each with a number that changes with every page."""
    turns: int
    """The turns that the gatekeeper has given since the start."""
    is_shut: bool
    """Whether the gate is shut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Why a part counts as stuck, and the position of the stuck order."""

    reason: str
    order: Position | None = None


@dataclass(frozen=True, slots=True)
class _Progress:
    """The state of an order at its last progress."""

    sign: int
    since: float
    turns: int


class Watch:
    """Applies the rule to one observation after another. Times are of one monotonic clock.

    An observation that comes much too late means that the whole process stood still, stopped or without a CPU. That
    time does not count.
    """

    def __init__(self, patience: Patience, *, now: float) -> None:
        self._patience = patience
        self._looked = self._awake_since = now
        self._turns = 0
        self._turned = now
        self._orders: dict[Position, _Progress] = {}
        self.stuck: Mapping[Part, Stuck] = {}
        """The stuck parts at the last observation. Replaced as a whole, so any thread may read it."""

    def report(self) -> Report:
        """The report for `/healthz`: good if no part is stuck."""
        return Report(reasons={str(part): stuck.reason for part, stuck in self.stuck.items()})

    def look(self, seen: Seen, now: float) -> None:
        """Update `stuck` from an observation."""
        if now - self._looked > self._patience.silence_s / 2:
            self._awake_since = now
        self._looked = now
        if seen.turns != self._turns:
            self._turns, self._turned = seen.turns, now
        self._orders = {at: self._progress(at, sign, seen, now) for at, sign in seen.progress.items()}
        found: dict[Part, Stuck] = {}
        for part, beat in seen.beats.items():
            age = now - max(beat, self._awake_since)
            if age >= self._patience.silence_s:
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
        """The stuck order with the longest time without progress."""
        bound = self._patience.order_s
        no_turns = now - max(self._turned, self._awake_since) >= bound
        stuck = {
            at: order.since
            for at, order in self._orders.items()
            if now - order.since >= bound and (no_turns or self._turns - order.turns >= self._patience.turns)
        }
        if not stuck:
            return None
        longest = min(stuck, key=lambda at: stuck[at])
        others = f", and {len(stuck) - 1} more" if len(stuck) > 1 else ""
        return Stuck(reason=f"{longest} does not get on for {now - stuck[longest]:.0f} s{others}", order=longest)
