"""SIGINT and SIGTERM during a command."""

from __future__ import annotations

import os
import signal

import pytest

from journeys.cli.signals import stop_on_signals


def test_first_signal_asks_to_stop_and_a_second_one_interrupts() -> None:
    """The command ends in good order after one signal; the handlers of before are back at its end."""
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
