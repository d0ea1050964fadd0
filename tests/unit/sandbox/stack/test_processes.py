"""Ports for the sandbox's processes."""

from __future__ import annotations

import socket

import pytest

from journeys.errors import SetupError
from journeys_sandbox.__main__ import main
from journeys_sandbox.stack.processes import free_ports, require_free


def test_free_ports_are_accepted() -> None:
    """A port that no process listens on is accepted, and so is 0, any free one."""
    for port in (0, *free_ports(2)):
        require_free(port)


def test_the_sandbox_refuses_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    """The sandbox names a taken port and the remedy before it starts anything."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=str(port)):
            require_free(port)
        assert main(["--kafka-port", "0", "--registry-port", "0", "--api-port", str(port)]) == 1
    said = capsys.readouterr()
    assert f"port {port} of 127.0.0.1 cannot be used" in said.err
    assert "choose another port" in said.err
    assert said.out == ""
