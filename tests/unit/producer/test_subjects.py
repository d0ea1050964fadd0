"""What is said when the registry cannot be asked."""

from __future__ import annotations

import socket

import pytest

from journeys.errors import SetupError
from journeys.producer import subjects


def test_a_registry_that_is_down_is_one_clear_line() -> None:
    """The address is named, its credentials are not."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(SetupError) as failed:
            subjects.lookup(f"http://someone:hidden@127.0.0.1:{port}", {"max.retries": 0}, "journey.")
    said = f"the schema registry at http://***@127.0.0.1:{port} cannot be asked: ConnectError: does it run, and "
    assert str(failed.value).startswith(said)


def test_an_unknown_setting_of_the_client_is_a_setup_error() -> None:
    """What the registry's client refuses leaves as an error of our tree."""
    with pytest.raises(SetupError):
        subjects.check("http://127.0.0.1:1", {"no.such.key": 1}, "journey.")
