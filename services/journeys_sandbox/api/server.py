"""The stand-in for the order-event API: HTTP/1.1 on a plain asyncio protocol, faster than the worker that it tests.

It runs on this event loop, in a thread, or in a process of its own, which prints its address when it listens:

    async with StandIn(ApiSettings(latency_s=0.02)) as api: …  api.url  api.stats
    with StandInThread() as api: …
    python -m journeys_sandbox.api --port 0 --latency 0.02 --key sandbox-key

`contract` lists the answers. `faults` lists those that an order id can choose.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Self, TypeVar

from journeys_sandbox.api.contract import Api, ApiSettings, Ending, Reply, Stats, refusal

__all__ = ["ApiSettings", "StandIn", "StandInThread", "Stats", "main"]

T = TypeVar("T")

_MAX_HEAD = 64 * 1024
_MAX_BODY = 8 * 2**20
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The used parts of a request's head. `length` is in bytes, -1 if it is unknown."""

    method: str
    path: str
    length: int
    key: str | None
    closes: bool
    expects: bool


class _Connection(asyncio.Protocol):
    """One connection. It answers one request at a time; pipelined requests wait."""

    def __init__(self, api: Api, open_connections: set[_Connection]) -> None:
        self._api = api
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server has no others
        self._transport = transport
        self._open.add(self)
        self._api.stats.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._done()

    def close(self) -> None:
        """Abort the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _reset(self) -> None:
        """Close so that the client sees a reset (RST) instead of an end (FIN)."""
        if self._transport is not None:
            linger = struct.pack("ii", 1, 0)  # on, 0 s
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        """Take one request from the buffer, if it is complete."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                self._refuse(431, "the head is too long")
            return
        head = _parsed(bytes(self._buffer[:end]))
        if head is None or head.length < 0:
            self._refuse(400 if head is None else 411, "the request cannot be read")
            return
        if head.length > _MAX_BODY:
            self._refuse(413, "the body is too long")
            return
        stop = end + 4 + head.length
        if len(self._buffer) < stop:
            self._invite(head)
            return
        body = bytes(self._buffer[end + 4 : stop])
        del self._buffer[:stop]
        self._continued = False
        self._take(head, body)

    def _invite(self, head: _Head) -> None:
        if head.expects and not self._continued and self._transport is not None:
            self._continued = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take(self, head: _Head, body: bytes) -> None:
        stats = self._api.stats
        reply = self._api.reply(head.method, head.path, head.key, body, now=time.time())
        self._busy = True
        stats.in_flight += 1
        stats.in_flight_max = max(stats.in_flight_max, stats.in_flight)
        if reply.ending is Ending.NEVER:
            return
        if reply.delay_s > 0:
            self._timer = self._loop.call_later(reply.delay_s, self._send, reply, head.closes)
        else:
            self._send(reply, head.closes)

    def _send(self, reply: Reply, closes: bool) -> None:
        if self._transport is None:
            return
        self._timer = None
        if reply.ending is Ending.KEEP:
            self._transport.write(_head_of(reply, closes=closes) + reply.body)
        elif reply.ending is Ending.CUT:
            self._transport.write(_head_of(reply, closes=False) + reply.body[: len(reply.body) // 2])
        self._done()
        if reply.ending is Ending.RESET:
            self._reset()
        elif closes or reply.ending is not Ending.KEEP:
            self._transport.close()
        elif self._buffer:
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self._transport is not None and not self._busy:
            self._next()

    def _refuse(self, status: int, message: str) -> None:
        self._busy = True
        self._api.stats.in_flight += 1
        self._send(refusal(status, message), closes=True)

    def _done(self) -> None:
        if self._busy:
            self._busy = False
            self._api.stats.in_flight -= 1


@lru_cache(maxsize=1024)
def _parsed(head: bytes) -> _Head | None:
    """Parse the head of a request. None if it is not HTTP/1. Cached, because a client's heads rarely differ."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    known = length.isascii() and length.isdecimal() and "transfer-encoding" not in headers
    connection = headers.get("connection", "").lower()
    return _Head(
        method=words[0],
        path=words[1],
        length=int(length[:12]) if known else -1,
        key=headers.get("apikey"),
        closes=connection == "close" or (words[2] == "HTTP/1.0" and connection != "keep-alive"),
        expects=headers.get("expect", "").lower() == "100-continue",
    )


def _head_of(reply: Reply, *, closes: bool) -> bytes:
    lines = _first_lines(reply.status, reply.content_type, reply.headers, closes)
    return b"%bDate: %b\r\nContent-Length: %d\r\n\r\n" % (lines, _date(int(time.time())), len(reply.body))


@lru_cache(maxsize=1)
def _date(at_s: int) -> bytes:
    return formatdate(at_s, usegmt=True).encode("ascii")


@lru_cache(maxsize=1024)
def _first_lines(status: int, content_type: str, headers: tuple[tuple[str, str], ...], closes: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Other')}", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += ["Connection: close"] if closes else []
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


class StandIn:
    """The API on this event loop, as an async context manager. Port 0 is any free one."""

    def __init__(self, settings: ApiSettings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._api = Api(settings or ApiSettings())
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self._api, self._connections), self._host, self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.close()
            await self._server.wait_closed()
        await asyncio.sleep(0)  # asyncio now calls `connection_lost` of the aborted connections

    @property
    def url(self) -> str:
        """The base address, valid while it listens."""
        return f"http://{self._host}:{self._port}"

    @property
    def stats(self) -> Stats:
        """The counts so far."""
        return self._api.stats

    def change(self, faults: str) -> None:
        """Set the faults of every order from now on; "" is none. Raises ValueError for an unknown word."""
        self._api.change(faults)


class StandInThread:
    """The API in a thread of its own, as a context manager for callers without an event loop."""

    def __init__(self, settings: ApiSettings | None = None, *, port: int = 0) -> None:
        self._standin = StandIn(settings, port=port)
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._ready.result().call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The base address."""
        return self._standin.url

    @property
    def stats(self) -> Stats:
        """A copy of the counts so far."""
        return self._call(self._copied)

    def change(self, faults: str) -> None:
        """Set the faults of every order from now on; "" is none. Raises ValueError for an unknown word."""
        self._call(lambda: self._standin.change(faults))

    def _copied(self) -> Stats:
        stats = self._standin.stats
        return Stats(
            pages=stats.pages.copy(),
            statuses=stats.statuses.copy(),
            requests=stats.requests,
            in_flight=stats.in_flight,
            in_flight_max=stats.in_flight_max,
            connections=stats.connections,
        )

    def _call(self, function: Callable[[], T]) -> T:
        """Call `function` on the thread's event loop. Returns its result, and raises what it raises."""
        if not self._thread.is_alive():
            return function()

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._ready.result()).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the waiting caller raises it
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        async with self._standin:
            self._ready.set_result(asyncio.get_running_loop())
            await self._stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Prints the address when the port is open. Returns the exit code."""
    options = _parser().parse_args(arguments)
    settings = ApiSettings(
        latency_s=options.latency,
        fail_share=options.fail_share,
        faults=options.faults,
        key=options.key,
        max_page_size=options.max_page_size,
    )
    asyncio.run(_serve(StandIn(settings, host=options.host, port=options.port)))
    return 0


async def _serve(standin: StandIn) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with standin:
        sys.stdout.write(f"{standin.url}\n")
        sys.stdout.flush()
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m journeys_sandbox.api", description="A stand-in for the order-event API."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 is any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fail-share", type=float, default=0.0, help="share of requests (0 to 1) that get a 503")
    parser.add_argument("--faults", default="", help="faults for every order, such as 503x1-slow20")
    parser.add_argument("--key", default=None, help="the required ApiKey")
    parser.add_argument("--max-page-size", type=int, default=100)
    return parser
