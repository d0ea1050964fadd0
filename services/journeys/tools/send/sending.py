"""Hands order messages to Kafka at a steady rate, and counts what Kafka acknowledges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from journeys.clock import Clock
from journeys.errors import HaltError
from journeys.tools.send.checkpoint import Acknowledged

_SAVE_S = 1.0
"""Seconds between two checkpoints: after SIGKILL, a resumed run sends the orders since the last one again."""
_WAIT_S = 0.1
"""The longest wait before signals are looked at again, in seconds."""


class Writer(Protocol):
    """Writes to one topic (see `OrderWriter`)."""

    def write(self, key: bytes, value: bytes, delivered: Callable[[str | None], object]) -> None:
        """Queue a message. `delivered` is called with None once Kafka has acknowledged it, else with the reason."""

    def serve(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for acknowledgements."""

    def flush(self) -> bool:
        """Wait a moment for all acknowledgements. Returns whether none is missing."""


class Sending:
    """One run over a list of orders; `acknowledged` says which were sent before, and is exact at all times.

    `rate` is in orders a second, None for no limit. `on` is called with how many are acknowledged, and of how many.
    `save` is called about once a second, and at the end of an incomplete run.
    """

    def __init__(
        self,
        orders: Sequence[str],
        acknowledged: Acknowledged,
        *,
        value_of: Callable[[str], bytes],
        rate: float | None,
        on: Callable[[int, int], object],
        save: Callable[[], object],
        stopped: Callable[[], bool],
        clock: Clock | None = None,
    ) -> None:
        self._orders = orders
        self._acknowledged = acknowledged
        self._value_of = value_of
        self._rate = rate
        self._on = on
        self._save = save
        self._stopped = stopped
        self._clock = clock or Clock()
        self._refusal: str | None = None

    def run(self, writer: Writer) -> None:
        """Send the orders that are not acknowledged yet. Raises HaltError if it cannot go on, or was stopped.

        A KeyboardInterrupt ends it at once, without the acknowledgements that are still to come.
        """
        failure = "stopped by a signal"
        try:
            self._queue(writer)
            self._flush(writer)
        except HaltError as error:
            self._flush(writer)
            failure = str(error)
        except KeyboardInterrupt:
            self._save()
            raise
        if len(self._acknowledged) < len(self._orders):
            self._save()
            raise HaltError(failure if self._refusal is None else f"Kafka refuses an order: {self._refusal}")

    def _queue(self, writer: Writer) -> None:
        """Hand the orders to the writer, until a signal or a refusal."""
        started_s = saved_s = self._clock.monotonic()
        count = 0
        for index, order in enumerate(self._orders):
            if index in self._acknowledged:
                continue
            if self._rate is not None:
                self._wait(writer, started_s + count / self._rate)
            if self._has_to_end():
                return
            writer.write(order.encode(), self._value_of(order), self._noting(index))
            writer.serve(0)
            count += 1
            if self._clock.monotonic() - saved_s >= _SAVE_S:
                saved_s = self._clock.monotonic()
                self._save()

    def _wait(self, writer: Writer, until_s: float) -> None:
        """Serve acknowledgements until then, or until the run has to end."""
        while (left_s := until_s - self._clock.monotonic()) > 0 and not self._has_to_end():
            writer.serve(min(left_s, _WAIT_S))

    def _flush(self, writer: Writer) -> None:
        while not writer.flush():
            pass

    def _has_to_end(self) -> bool:
        return self._refusal is not None or self._stopped()

    def _noting(self, index: int) -> Callable[[str | None], None]:
        def delivered(refusal: str | None) -> None:
            if refusal is not None:
                self._refusal = self._refusal or refusal
                return
            self._acknowledged.add(index)
            self._on(len(self._acknowledged), len(self._orders))

        return delivered
