"""The tree of errors: each failure of an order has a verdict, and each message names what is wrong."""

from __future__ import annotations

import pytest

from journeys.errors import (
    HaltError,
    JourneysError,
    NotFoundYetError,
    OrderError,
    RejectedOrderError,
    SettingsError,
    SetupError,
    ThrottledError,
    TransientError,
    UnauthorizedError,
    Verdict,
)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (TransientError, Verdict.AGAIN),
        (ThrottledError, Verdict.SLOW_DOWN),
        (UnauthorizedError, Verdict.WAIT),
        (NotFoundYetError, Verdict.LATER),
        (RejectedOrderError, Verdict.DEAD_LETTER),
    ],
)
def test_each_order_error_has_its_verdict(kind: type[OrderError], verdict: Verdict) -> None:
    """Retry, pause, wait, retry tier or dead letter follows from the class alone."""
    error = kind("the API answered 418", reason="status-418")
    assert (error.verdict, error.reason, error.stage, str(error)) == (
        verdict,
        "status-418",
        "fetch",
        "the API answered 418",
    )


def test_every_verdict_has_one_order_error() -> None:
    """A verdict that no error carries could never happen; two errors of one verdict would mean the same."""
    assert sorted(kind.verdict for kind in OrderError.__subclasses__()) == sorted(Verdict)


def test_a_throttled_error_carries_the_pause_in_seconds() -> None:
    """Without a Retry-After the pause is None, which is not zero."""
    assert ThrottledError("429", reason="status-429", retry_after_s=2.5).retry_after_s == 2.5
    assert ThrottledError("429", reason="status-429").retry_after_s is None


def test_a_settings_error_names_every_wrong_setting() -> None:
    """The text lists them all, so that one start is enough to correct them."""
    error = SettingsError([("JOURNEYS_OPS__PORT", "not a number"), ("JOURNEYS_API__KEY", "missing")])
    assert str(error) == "JOURNEYS_OPS__PORT: not a number; JOURNEYS_API__KEY: missing"
    assert not isinstance(error, HaltError), "wrong settings end with code 2, before any connection"


def test_a_setup_error_halts_the_worker_and_names_the_remedy() -> None:
    """The remedy is a command, or None if no command helps."""
    error = SetupError("topics are missing", remedy="journeys topics create")
    assert isinstance(error, HaltError)
    assert (str(error), error.remedy) == ("topics are missing", "journeys topics create")
    assert SetupError("no broker answers").remedy is None


def test_all_errors_share_one_base() -> None:
    """A command catches JourneysError and shows one line; any other exception is a defect."""
    for kind in (SettingsError, HaltError, SetupError, OrderError):
        assert issubclass(kind, JourneysError)
