"""How far the work on one order has come, for people who ask why it takes so long. No I/O.

The clock of an order runs while one of its requests is out, or pauses between two tries. It stands still while the
order waits for its turn (the gate, the rate, a slot) or for memory: then the order is not at fault. Times are
arguments, in seconds of one monotonic clock.
"""

from __future__ import annotations

import msgspec

from journeys.model import Position


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is being fetched."""

    order_id: str
    position: Position
    """Where its message was read: in an order topic, or in a retry tier."""
    busy_s: float
    """How long its clock has run, in seconds."""
    tries: int
    """Requests that were sent for it, one for each page at least."""
    last_failure: str | None
    """The last failure of a request, with its reason; None if none failed."""


class Progress(msgspec.Struct):
    """The requests of one order. Belongs to the event loop; any thread may read it."""

    tries: int = 0
    last_failure: str | None = None
    _open: int = 0  # requests that have begun and not ended, including their pauses
    _began: float = 0.0  # later than the true begin, by all the time that the clock stood still
    _stopped: float | None = 0.0

    def began(self, now: float) -> None:
        """Note that a request is sent."""
        self.tries += 1
        if self._stopped is not None:
            self._began += now - self._stopped
            self._stopped = None
        self._open += 1

    def ended(self, now: float) -> None:
        """Note that a request has ended, and the pause after it."""
        self._open -= 1
        if not self._open:
            self._stopped = now

    def failed(self, reason: str, detail: str) -> None:
        """Note that a request failed; `detail` says more than its reason."""
        self.last_failure = f"{reason} ({detail})"

    def busy_s(self, now: float) -> float:
        """How long the clock has run so far, in seconds."""
        # In this order: a request that begins on the other thread meanwhile makes the result less, never more.
        until = now if self._stopped is None else self._stopped
        return until - self._began
