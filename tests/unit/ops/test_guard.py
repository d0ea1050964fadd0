"""The guard of the ops server: it decides by address and token who sees, holds and resumes a worker."""

from __future__ import annotations

import pytest

from journeys.ops.guard import Guard, is_loopback


def unreadable() -> str:
    """A token file that is gone."""
    raise ValueError("cannot be read: No such file or directory")


def test_controls_are_open_on_loopback_only() -> None:
    """Elsewhere they need a token."""
    assert Guard(host="127.0.0.1").controls == "open"
    assert Guard(host="0.0.0.0").controls == "off"  # noqa: S104 - not listened on here
    assert Guard(host="0.0.0.0", token=lambda: "t").controls == "token"  # noqa: S104 - as above
    assert Guard(host="127.0.0.1", token=lambda: "t").controls == "token"


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "127.0.0.2"])
def test_a_loopback_server_answers_to_loopback_names(host: str) -> None:
    """With and without a port."""
    assert Guard(host="127.0.0.1").refusal(host) is None


@pytest.mark.parametrize("host", ["evil.example:8080", "", "127.0.0.1.evil.example", "[x"])
def test_a_loopback_server_refuses_other_names(host: str) -> None:
    """A web page could point a name of its own to the loopback address."""
    assert Guard(host="127.0.0.1").refusal(host) is not None
    assert Guard(host="0.0.0.0").refusal(host) is None  # noqa: S104 - not listened on here


def test_a_token_must_be_the_right_one() -> None:
    """It comes as `Authorization: Bearer TOKEN`."""
    guard = Guard(host="127.0.0.1", token=lambda: "secret")
    assert guard.refusal_of_control("Bearer secret") is None
    for wrong in ("", "Bearer ", "Bearer other", "Bearer sécret", "Bearer \udcff"):
        assert guard.refusal_of_control(wrong) == "the token is missing or wrong"
    assert Guard(host="127.0.0.1").refusal_of_control("") is None


def test_a_token_file_that_cannot_be_read_refuses_all() -> None:
    """The refusal says why."""
    refusal = Guard(host="127.0.0.1", token=unreadable).refusal_of_control("Bearer ")
    assert refusal == "the file of JOURNEYS_OPS__TOKEN_FILE cannot be read: No such file or directory"


def test_names_of_other_machines_are_not_loopback() -> None:
    """Only names and addresses that cannot mean another machine are."""
    assert [is_loopback(host) for host in ("LOCALHOST", "::1", "10.0.0.1", "worker-1")] == [True, True, False, False]
