"""The stand-in over real connections."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import pytest

from journeys.number import Number
from journeys_sandbox.api.generator import journey_of
from journeys_sandbox.api.server import ApiSettings, StandIn, StandInThread

PATH = "/v2-4-2/api/order/event"


@pytest.fixture
def api() -> Iterator[StandInThread]:
    """The stand-in in a thread, without faults."""
    with StandInThread() as running:
        yield running


def connect(url: str) -> HTTPConnection:
    """A client that keeps its connection."""
    return HTTPConnection(urlsplit(url).netloc, timeout=10)


def body_of(order_id: str) -> bytes:
    """The body that asks for an order's first page."""
    return json.dumps({"order_id": order_id, "page": 1, "page_size": 100}).encode()


def raw(order_id: str) -> bytes:
    """The same as a whole request."""
    body = body_of(order_id)
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body)


def events(connection: HTTPConnection, order_id: str) -> Any:
    """The events of an order's first page."""
    connection.request("POST", PATH, body_of(order_id))
    return json.loads(connection.getresponse().read(), parse_float=Number)["data"]["events"]


def test_one_connection_serves_many_requests(api: StandInThread) -> None:
    """The stand-in keeps an HTTP/1.1 connection open."""
    with closing(connect(api.url)) as connection:
        for order_id in ("n3-a", "n0-b", "n120-c"):
            assert events(connection, order_id) == journey_of(order_id)[:100]
    assert (api.stats.connections, api.stats.requests) == (1, 3)


def test_pipelined_requests_are_answered_in_turn(api: StandInThread) -> None:
    """Two requests in one packet, the first one slow, get two answers in order."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(raw("x-slow50-n1-a") + raw("n1-b"))
        received = b""
        while b"n1-b" not in received:
            received += client.recv(65536)
    assert received.index(b"x-slow50-n1-a") < received.index(b'"n1-b"')
    assert api.stats.in_flight_max == 1


def test_a_request_may_arrive_byte_by_byte(api: StandInThread) -> None:
    """A request that arrives byte by byte is one request."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw("n0-a"):
            client.sendall(bytes([byte]))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"A" * 70_000, b"431"),
    ],
)
def test_a_malformed_request_closes_the_connection(api: StandInThread, request_: bytes, status: bytes) -> None:
    """The stand-in refuses it and closes the connection."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(request_)
        assert client.recv(65536).split()[1] == status


@pytest.mark.parametrize(
    ("word", "error"),
    [("truncated", IncompleteRead), ("hangup", RemoteDisconnected), ("reset", ConnectionResetError)],
)
def test_broken_connections_look_like_a_real_servers(api: StandInThread, word: str, error: type[Exception]) -> None:
    """Half a body, no answer and a reset look to a client as from a real server."""
    with closing(connect(api.url)) as connection:
        connection.request("POST", PATH, body_of(f"x-{word}-n3-a"))
        with pytest.raises(error) as caught:
            connection.getresponse().read()
    assert type(caught.value) is error


def test_a_hanging_request_does_not_delay_the_servers_end() -> None:
    """Leaving the server closes what is still open, and nothing counts as in flight afterwards."""

    async def scenario() -> int:
        async with StandIn() as api:
            address = urlsplit(api.url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(raw("n0-a") + raw("x-silent-a"))
            await reader.readuntil(b"]}}")
            assert api.stats.in_flight == 1  # the next request is taken before this answer can be read
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        return api.stats.in_flight

    assert asyncio.run(scenario()) == 0


def test_a_taken_port_raises_in_the_caller(api: StandInThread) -> None:
    """A server thread that cannot start raises in the thread that started it."""
    port = urlsplit(api.url).port
    assert port is not None
    with pytest.raises(OSError, match="address already in use"), StandInThread(port=port):
        pass


def test_an_unknown_fault_raises_in_the_caller(api: StandInThread) -> None:
    """ValueError names the word. The faults stay as they are, and the server thread goes on."""
    api.change("503")
    with pytest.raises(ValueError, match="lightning"):
        api.change("503-lightning")
    with closing(connect(api.url)) as connection:
        connection.request("POST", PATH, body_of("n1-a"))
        assert connection.getresponse().status == 503


@pytest.mark.slow
def test_the_stand_in_process_prints_its_address() -> None:
    """The process serves once its address is printed, reports its counts over HTTP, and ends on SIGTERM with 0."""
    command = [sys.executable, "-m", "journeys_sandbox.api", "--port", "0", "--key", "k"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        try:
            assert process.stdout is not None
            with closing(connect(process.stdout.readline().strip())) as connection:
                connection.request("POST", PATH, body_of("n1-a"), {"ApiKey": "k"})
                assert connection.getresponse().read()
                connection.request("GET", "/_stats")
                stats = json.loads(connection.getresponse().read())
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert stats["pages"] == {"n1-a": {"1": 1}}


def test_the_key_header_is_read_in_any_case() -> None:
    """The `ApiKey` header's name may be in any case."""
    with StandInThread(ApiSettings(key="k")) as api, closing(connect(api.url)) as connection:
        for headers, status in (({}, 401), ({"apikey": "k"}, 200), ({"APIKEY": "x"}, 401)):
            connection.request("POST", PATH, body_of("n1-a"), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
