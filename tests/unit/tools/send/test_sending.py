"""Handing orders to Kafka, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from journeys.clock import Clock
from journeys.errors import HaltError
from journeys.tools.send.checkpoint import Acknowledged
from journeys.tools.send.sending import Sending


class Topic:
    """A topic in memory. It acknowledges at `flush` and `serve`; `refuses` names an order that it does not take."""

    def __init__(self, *, refuses: str = "") -> None:
        self.now_s = 0.0
        self.times_s: list[float] = []
        self.written: list[bytes] = []
        self._refuses = refuses.encode()
        self._waiting: list[tuple[bytes, Callable[[str | None], object]]] = []

    def write(self, key: bytes, value: bytes, delivered: Callable[[str | None], object]) -> None:
        """Take a message."""
        assert value == b"<" + key + b">"
        self.times_s.append(self.now_s)
        self._waiting.append((key, delivered))

    def serve(self, timeout_s: float) -> None:
        """Acknowledge all but the newest message; time passes."""
        self.now_s += timeout_s
        while len(self._waiting) > 1:
            self._acknowledge()

    def flush(self) -> bool:
        """Acknowledge one message."""
        if self._waiting:
            self._acknowledge()
        return not self._waiting

    def _acknowledge(self) -> None:
        key, delivered = self._waiting.pop(0)
        if key == self._refuses:
            delivered("too large")
        else:
            self.written.append(key)
            delivered(None)


class Run:
    """One run over some orders, and what it reports."""

    def __init__(self, topic: Topic, acknowledged: Acknowledged | None = None, *, rate: float | None = None) -> None:
        self.acknowledged = Acknowledged() if acknowledged is None else acknowledged
        self.progress: list[tuple[int, int]] = []
        self.saved: list[int] = []
        self.stop_after = 10**9
        self._topic = topic
        self._rate = rate

    def over(self, *orders: str) -> None:
        """Send these orders."""
        Sending(
            orders,
            self.acknowledged,
            value_of=lambda order: f"<{order}>".encode(),
            rate=self._rate,
            on=lambda done, total: self.progress.append((done, total)),
            save=lambda: self.saved.append(len(self.acknowledged)),
            stopped=lambda: len(self._topic.times_s) >= self.stop_after,
            clock=Clock(monotonic=lambda: self._topic.now_s),
        ).run(self._topic)


def test_every_order_is_sent_and_counted_when_acknowledged() -> None:
    """The last progress is the whole list, after the last acknowledgement."""
    topic = Topic()
    run = Run(topic)
    run.over("a", "b", "c")
    assert topic.written == [b"a", b"b", b"c"]
    assert run.progress == [(1, 3), (2, 3), (3, 3)]


def test_orders_that_were_sent_before_are_left_out() -> None:
    """Their number counts as done."""
    topic = Topic()
    run = Run(topic, Acknowledged([(0, 1), (2, 3)]))
    run.over("a", "b", "c", "d")
    assert topic.written == [b"b", b"d"]
    assert run.progress == [(3, 4), (4, 4)]


def test_rate_spaces_the_orders_evenly() -> None:
    """Four orders a second: one each 250 ms. A state is saved about once a second."""
    topic = Topic()
    run = Run(topic, rate=4)
    run.over(*(str(number) for number in range(10)))
    assert topic.times_s == pytest.approx([number / 4 for number in range(10)])
    assert run.saved == [4, 8]


def test_signal_ends_the_run_with_an_exact_state() -> None:
    """Messages that are under way are waited for and saved."""
    topic = Topic()
    run = Run(topic)
    run.stop_after = 2
    with pytest.raises(HaltError, match="stopped by a signal"):
        run.over("a", "b", "c", "d")
    assert (topic.written, run.saved) == ([b"a", b"b"], [2])
    run.stop_after = 10
    run.over("a", "b", "c", "d")
    assert topic.written == [b"a", b"b", b"c", b"d"]


def test_signal_ends_a_wait_for_the_rate() -> None:
    """At one order a day, too."""
    topic = Topic()
    run = Run(topic, rate=1 / 86_400)
    run.stop_after = 1
    with pytest.raises(HaltError, match="signal"):
        run.over("a", "b")
    assert topic.now_s < 1


def test_refused_order_ends_the_run_and_is_not_acknowledged() -> None:
    """The orders around it that Kafka has taken are not sent again."""
    topic = Topic(refuses="b")
    run = Run(topic)
    with pytest.raises(HaltError, match="Kafka refuses an order: too large"):
        run.over("a", "b", "c", "d")
    assert topic.written == [b"a", b"c"]
    assert run.acknowledged.spans() == [(0, 1), (2, 3)]
