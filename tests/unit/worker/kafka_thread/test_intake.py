"""When orders are taken in, and which of them wait for their time."""

from __future__ import annotations

from journeys.worker.kafka_thread.intake import Bounds, Intake

BOUNDS = Bounds(orders=100, bytes=1000)


def test_bytes_bound_the_intake_as_orders_do() -> None:
    """There is room for orders only while the bytes in hand are within their bound."""
    assert BOUNDS.room(orders=40, in_bytes=999) == 60
    assert BOUNDS.room(orders=40, in_bytes=1000) == 0


def test_short_stop_does_not_pause() -> None:
    """Within `pause_after_s`, intake opens as soon as there is any room."""
    intake = Intake(BOUNDS, pause_after_s=2.0)
    intake.update(room=0, now=10.0)
    assert (intake.open, intake.paused) == (False, False)
    intake.update(room=1, now=11.9)
    assert intake.open


def test_long_stop_pauses_until_half_full() -> None:
    """After `pause_after_s`, resuming costs a second, so it waits until it is worth it."""
    intake = Intake(BOUNDS, pause_after_s=2.0)
    intake.update(room=0, now=10.0)
    intake.update(room=0, now=12.5)
    assert intake.paused
    intake.update(room=49, now=13.0)
    assert not intake.open
    intake.update(room=50, now=14.0)
    assert (intake.open, intake.paused) == (True, False)
