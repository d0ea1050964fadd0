"""The gate of one account: shut while there is a reason why its requests should not be sent. No I/O.

    reason     shuts when                                              opens when
    down       requests of many orders fail, in a row or mostly        a probe is answered
    auth       the API refuses the key                                 a probe is not refused
    pace       the API asks for a pause                                the pause is over
    flood      orders end as dead letters, in a row or mostly          `resume`
    operator   `hold`                                                  `resume`

While the API is down or refuses the key, single probes find out whether that is still so, each with an order in hand.
Nothing else opens the gate then: an answer to an earlier request says nothing of now.

Failures are counted by order, not by try: a bad order fails at each of its tries, a good one is answered once. A
failure of the server (no connection, a time-out, 5xx) counts in full. An answer that holds no journey is mostly about
its order: it counts a tenth, and only at the first try of a new order. So bad orders do not shut the gate for others.

Times are arguments, in seconds of a monotonic clock. So is chance, as `jitter` in [0, 1).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal, TypeAlias

from journeys.fetcher.backoff import Backoff
from journeys.fetcher.failures import is_answer

Reason: TypeAlias = Literal["down", "auth", "pace", "flood", "operator"]

REASONS: Final[tuple[Reason, ...]] = ("down", "auth", "pace", "flood", "operator")
_PROBED: Final[frozenset[Reason]] = frozenset({"down", "auth"})
_HELD: Final[frozenset[Reason]] = frozenset({"flood", "operator"})
_KEYLESS: Final = "the API wants a key, and none is set: JOURNEYS_API__KEY_FILE or JOURNEYS_API__KEY"
_FULL: Final = 10
"""The weight of a failure of the server; weights are in tenths of an order."""
_ANSWER: Final = 1
"""The weight of an answer that holds no journey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many failures are too many: `run` in a row, or a `share` of at least `least` within `window_s`; 0 is never.

    Failures count by their weight.
    """

    run: int
    share: float
    least: int
    window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """When the gate shuts, and how it opens again."""

    failures: Limit = field(default_factory=lambda: Limit(run=20, share=0.5, least=40, window_s=30.0))
    orders: int = 20
    """The failures must come from at least this many orders: a few bad orders are no outage."""
    dead_letters: Limit = field(default_factory=lambda: Limit(run=50, share=0.5, least=100, window_s=300.0))
    probes: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=10.0))
    pauses: Backoff = field(default_factory=lambda: Backoff(base_s=1.0, cap_s=30.0))
    """For a 429 without Retry-After."""
    longest_pause_s: float = 300.0
    """The longest pause that the API may ask for."""
    has_key: bool = True
    """Whether requests have a key: without one, a refusal has another remedy."""


class Gate:
    """The reasons of one account and their evidence. Belongs to the event loop; any thread may read it."""

    def __init__(self, policy: GatePolicy | None = None) -> None:
        self._policy = policy or GatePolicy()
        self._reasons: dict[Reason, str] = {}
        self._failures = _Tally(self._policy.failures, self._policy.orders)
        self._dead_letters = _Tally(self._policy.dead_letters, 1)
        self._ended = count()
        self._probes = 0  # failed ones in a row
        self._probe_at = 0.0
        self._is_probing = False
        self._pauses = 0  # without a length, in a row
        self._paused_until = -math.inf
        # The last two orders that the API answered for, and when: at least one of them is another than a given order.
        self._answered, self._answered_before = ("", -math.inf), ("", -math.inf)

    @property
    def is_shut(self) -> bool:
        """Whether requests wait."""
        return bool(self._reasons)

    @property
    def is_down(self) -> bool:
        """Whether the API seems to be down: then a failed request says nothing about its order."""
        return "down" in self._reasons

    @property
    def is_probed(self) -> bool:
        """Whether only a probe can open it."""
        return not _PROBED.isdisjoint(self._reasons)

    @property
    def is_held(self) -> bool:
        """Whether only an operator can open it."""
        return not _HELD.isdisjoint(self._reasons)

    @property
    def reasons(self) -> Mapping[Reason, str]:
        """Why it is shut, in words, by reason."""
        return dict(self._reasons)

    def others_answered(self, order_id: str, *, since: float) -> bool:
        """Return whether the API answered for another order since then. If so, a failure is this order's own."""
        order, at = self._answered if self._answered[0] != order_id else self._answered_before
        return order != "" and at >= since

    # -- the outcome of requests

    def answered(self, order_id: str, *, is_probe: bool, now: float) -> None:
        """Count an answer for an order: a page, or a verdict on the order."""
        if order_id != self._answered[0]:
            self._answered_before = self._answered
        self._answered = (order_id, now)
        self._pauses = 0
        self._failures.add_good(order_id, now)
        if is_probe:
            self._found_open("down", "auth")

    def failed(self, order_id: str, reason: str, *, has_failed: bool, now: float, detail: str = "") -> None:
        """Count a failure that may pass; `detail` says more than its reason.

        `has_failed` says whether an earlier try or attempt of this order failed.
        """
        if self.is_down or (is_answer(reason) and has_failed):
            return
        weight = _ANSWER if is_answer(reason) else _FULL
        if evidence := self._failures.add_bad(order_id, weight, now):
            self._reasons["down"] = f"{evidence} failed, the last with {reason}" + (f" ({detail})" if detail else "")
            self._probe_after(now, self._policy.probes.base_s)

    def refused(self, reason: str, *, is_probe: bool, now: float, jitter: float) -> None:
        """Count a refusal of the key: the API is up."""
        if is_probe:
            self._found_open("down")
        if "auth" not in self._reasons:
            refusal = "the API does not accept the key" if self._policy.has_key else _KEYLESS
            self._reasons["auth"] = f"{refusal} ({reason})"
            self._probe_after(now, self._policy.probes.wait(1, jitter=jitter))

    def throttled(self, asked: float | None, *, is_probe: bool, now: float, jitter: float) -> None:
        """Shut for the pause that the API asks for, in seconds; None if it gives no length. The API is up."""
        if is_probe:
            self._found_open("down")
        if asked:  # not for 0: throttled requests would spin
            seconds = min(asked, self._policy.longest_pause_s)
            why = f"the API asks for a pause of {asked:.3g} s"
            if seconds < asked:
                why += f"; the worker pauses for {seconds:.3g} s"
        elif now < self._paused_until:
            return  # another request of the same burst has set the pause
        else:
            self._pauses += 1
            seconds = self._policy.pauses.wait(self._pauses, jitter=jitter)
            why = f"the API throttles without a length; the worker pauses for {seconds:.3g} s"
        if now + seconds > self._paused_until:
            self._paused_until = now + seconds
            self._reasons["pace"] = why

    def ended(self, *, is_dead: bool, now: float) -> None:
        """Count an order that left the worker, as a dead letter or not."""
        order = next(self._ended)
        if not is_dead:
            self._dead_letters.add_good(order, now)
        elif evidence := self._dead_letters.add_bad(order, _FULL, now):
            self._reasons.setdefault("flood", f"{evidence} became dead letters; `journeys dead-letters resume` goes on")

    # -- operators

    def hold(self) -> None:
        """Shut until `resume`."""
        self._reasons["operator"] = "an operator holds it"

    def resume(self) -> list[Reason]:
        """Remove the reasons that only an operator can remove, and return them."""
        held = [reason for reason in self._reasons if reason in _HELD]
        for reason in held:
            del self._reasons[reason]
        self._dead_letters.clear()
        return held

    # -- time

    def changes_in(self, now: float) -> float:
        """Return the seconds until a pause is over or a probe is due; infinite if neither will be."""
        waits = [self._paused_until - now] if "pace" in self._reasons else []
        if self.is_probed and not self.is_held:
            waits.append(math.inf if self._is_probing else self._probe_at - now)
        return max(0.0, *waits) if waits else math.inf

    def tick(self, now: float) -> bool:
        """End a pause that is over. Returns whether a probe is due now; call `probe` when it is sent."""
        if now >= self._paused_until:
            self._reasons.pop("pace", None)
        due = not self._is_probing and now >= self._probe_at
        return due and bool(self._reasons) and _PROBED.issuperset(self._reasons)

    def probe(self) -> None:
        """Note that a probe is sent."""
        self._is_probing = True

    def probe_ended(self, *, now: float, jitter: float) -> None:
        """Note that the probe failed or was cancelled: the next one follows after a longer wait."""
        self._probes += 1
        self._probe_after(now, self._policy.probes.wait(self._probes, jitter=jitter))

    def _probe_after(self, now: float, seconds: float) -> None:
        self._is_probing = False
        self._probe_at = now + seconds

    def _found_open(self, *reasons: Reason) -> None:
        for reason in reasons:
            if self._reasons.pop(reason, None) is not None:
                self._probes = 0
                self._is_probing = False
                self._failures.clear()


class _Tally:
    """How many orders are bad: in a row, and as a share of a moving window.

    The window has ten slices. A good order counts once in each, a bad one once in the window.
    """

    def __init__(self, limit: Limit, orders: int) -> None:
        self._limit = limit
        self._orders = orders
        self._width_s = limit.window_s / 10
        self._slice = 0  # the newest one
        self._now_good: set[Hashable] = set()  # orders of the newest slice
        self._good: deque[tuple[int, int]] = deque()  # number and good orders of the slices before
        self._bad: dict[Hashable, tuple[int, int]] = {}  # slice and weight of each bad order in the window
        self._bad_weight = 0  # of all of these
        self._run: set[Hashable] = set()  # the bad orders since the last good one
        self._run_weight = 0

    def add_good(self, order: Hashable, now: float) -> None:
        """Count an order that went well."""
        self._move_to(now)
        self._now_good.add(order)
        if self._run:
            self._run.clear()
            self._run_weight = 0

    def add_bad(self, order: Hashable, weight: int, now: float) -> str | None:
        """Count an order that went wrong. Returns how many did, in words, if these are too many."""
        self._move_to(now)
        if order not in self._bad:
            self._bad[order] = (self._slice, weight)
            self._bad_weight += weight
        if self._limit.run > 0 and order not in self._run:
            self._run.add(order)
            self._run_weight += weight
        return self._verdict()

    def clear(self) -> None:
        """Forget everything."""
        self._now_good.clear()
        self._good.clear()
        self._bad.clear()
        self._run.clear()
        self._bad_weight = self._run_weight = 0

    def _move_to(self, now: float) -> None:
        newest = int(now / self._width_s)
        if newest == self._slice:
            return
        self._good.append((self._slice, len(self._now_good)))
        self._now_good.clear()
        self._slice = newest
        while self._good and self._good[0][0] <= newest - 10:
            self._good.popleft()
        while self._bad:
            order, (number, weight) = next(iter(self._bad.items()))
            if number > newest - 10:
                break
            del self._bad[order]
            self._bad_weight -= weight

    def _verdict(self) -> str | None:
        limit = self._limit
        if limit.run > 0 and len(self._run) >= self._orders and self._run_weight >= limit.run * _FULL:
            return f"{len(self._run)} in a row"
        if limit.share <= 0 or len(self._bad) < self._orders:
            return None
        good = len(self._now_good) + sum(number for _, number in self._good)
        total_weight = self._bad_weight + good * _FULL
        if total_weight < limit.least * _FULL or self._bad_weight < limit.share * total_weight:
            return None
        return f"{len(self._bad)} of {len(self._bad) + good} within {limit.window_s:.0f} s"
