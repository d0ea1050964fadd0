"""Errors of the admin client; its commands are tested on a real broker."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from journeys.errors import SetupError
from journeys.kafka.admin import KafkaAdmin
from journeys.settings import load


def test_connections_closed_before_an_answer_hint_at_tls() -> None:
    """A listener that wants TLS closes a plain connection. librdkafka itself speaks of a transport failure only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_all() -> None:
            with contextlib.suppress(OSError):  # the client resets a connection, and the test closes the listener
                while (client := listener.accept()[0]).recv(1):
                    client.close()

        threading.Thread(target=close_all, daemon=True).start()
        port = listener.getsockname()[1]
        settings = load(None, {"JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"})
        with pytest.raises(SetupError, match=r"does it want TLS \(security\.protocol\)"):
            KafkaAdmin(settings).topics()
