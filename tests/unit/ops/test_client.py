"""Telling a worker to go on, over a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from journeys.cli import main
from journeys.errors import HaltError, SetupError
from journeys.ops.client import address_of, page, resume
from journeys.settings import OpsSettings


class Stub(HTTPServer):
    """A worker's HTTP server that answers everything alike, and keeps what it was asked."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = status, body
        self.asked: list[tuple[str, str, str | None]] = []
        self.tokens: list[str | None] = []

    @property
    def address(self) -> str:
        """The address that it listens on."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("X-Journeys")))
        self.server.tokens.append(self.headers.get("Authorization"))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing."""


@contextmanager
def worker(status: int = 200, body: str = '{"ok": true, "opened": ["flood"]}') -> Iterator[Stub]:
    """A worker that answers so."""
    with Stub(status, body) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            stub.shutdown()
            thread.join()


@pytest.mark.parametrize("end", ["", "/", "/resume"])
def test_a_worker_is_asked_once_with_the_header_it_demands(end: str) -> None:
    """However its address is written; what it opened is handed on."""
    with worker() as stub:
        assert resume(stub.address + end) == ["flood"]
        assert stub.asked == [("POST", "/resume", "resume")]


def test_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows nothing of a port of this machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with worker() as stub:
        assert resume(stub.address) == ["flood"]


def test_a_worker_that_was_not_held_up_opens_nothing() -> None:
    """A worker with an open gate is no error."""
    with worker(body=json.dumps({"ok": True, "opened": []})) as stub:
        assert resume(stub.address) == []


def test_a_workers_answer_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Any program may listen at that address, so its text is escaped and shortened."""
    with worker(body=json.dumps({"ok": True, "opened": ["\x1b]0;owned\x07", "x" * 60_000]})) as stub:
        assert main(["dead-letters", "resume", "--url", stub.address]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(rf"{stub.address}: goes on, opened: \x1b]0;owned\x07, xxx")
    assert len(shown) < 3_000


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, "", "no journeys worker"),
        (405, "", "no journeys worker"),
        (403, "no\nheader\x1b[31m", r"answers 403: .*\\x1b"),
        (500, "", "answers 500"),
        (200, "<html>", "does not answer as a worker does: <html>"),
        (200, "[" * 60_000, "does not answer as a worker does"),
        (200, "[]", "does not answer as a worker does"),
        (200, '{"ok": true, "opened": "flood"}', "did not go on"),
        (200, '{"ok": false, "opened": []}', "did not go on"),
    ],
)
def test_any_other_answer_is_reported(status: int, body: str, message: str) -> None:
    """In a line that does nothing to a terminal, naming the address."""
    with worker(status, body) as stub, pytest.raises(HaltError, match=message) as raised:
        resume(stub.address)
    assert stub.address in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("status", [200, 503])
def test_page_is_read_in_any_state_of_the_worker(status: int) -> None:
    """`/readyz` answers 503 while the worker is not ready."""
    with worker(status, "not ready") as stub:
        assert page(stub.address, "/readyz") == "not ready"
        assert stub.asked == [("GET", "/readyz", None)]
    with worker(404, "no such page") as stub, pytest.raises(HaltError, match="/readyz answers 404: no such page"):
        page(stub.address, "/readyz")


def test_an_unreachable_worker_is_reported() -> None:
    """The error gives the address without its password."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(HaltError, match=f"no worker listens at http://\\*\\*\\*@{address}"):
            resume(f"http://me:s3cret@{address}")


def test_an_answer_that_is_not_http_is_reported() -> None:
    """The port may belong to another kind of server."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail.example ready\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(HaltError, match="does not speak HTTP"):
            resume(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


@pytest.mark.parametrize(
    "address", ["", "worker:8080", "ftp://worker", "http://", "http://worker:port", "http://worker:0", "http://w?x=1"]
)
def test_a_malformed_address_is_refused(address: str) -> None:
    """The client refuses it before it connects."""
    with pytest.raises(ValueError, match=r"."):
        resume(address)


@pytest.mark.parametrize("address", ["http://worker..1", "http://127.0.0.1/wörker"])
def test_an_address_that_cannot_be_sent_is_reported(address: str) -> None:
    """A host name with an empty label, and a path that is not ASCII."""
    with pytest.raises(HaltError, match="cannot be asked"):
        resume(address)


def test_no_worker_is_resumed_if_one_address_is_malformed(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 says that nothing was done."""
    with worker() as stub:
        assert main(["dead-letters", "resume", "--url", stub.address, "--url", "worker:8080"]) == 2
        assert stub.asked == []
    assert "--url" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - what a container's settings say
        ("::", "http://[::1]:8080"),
        ("worker-1", "http://worker-1:8080"),
    ],
)
def test_a_worker_is_looked_for_where_its_settings_say(host: str, address: str) -> None:
    """Every interface of this machine is reached at its own address."""
    assert address_of(OpsSettings(host=host)) == address


def test_any_free_port_has_to_be_named() -> None:
    """The error names the setting; the worker logs the port that it got."""
    with pytest.raises(SetupError, match="JOURNEYS_OPS__PORT"):
        address_of(OpsSettings(port=0))


def test_a_token_goes_with_the_request() -> None:
    """The worker asks for it if JOURNEYS_OPS__TOKEN_FILE is set."""
    with worker() as stub:
        assert resume(stub.address, "secret") == ["flood"]
        assert stub.tokens == ["Bearer secret"]
