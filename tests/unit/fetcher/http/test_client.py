"""The HTTP client against a server whose answers are written byte by byte."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import pytest
from tests.support.byte_server import CHUNKED, CLOSE, HANG, HEAD, Piece, Server, answer, serving

import journeys
from journeys.errors import OrderError, RejectedOrderError, TransientError, UnauthorizedError
from journeys.fetcher.http.client import ApiClient, Endpoint
from journeys.fetcher.pages import Answer

T = TypeVar("T")


def endpoint(server: Server, timeouts: Mapping[str, float] | None = None) -> Endpoint:
    """Return the endpoint of that server."""
    seconds = {"read_timeout_s": 20.0, "total_timeout_s": 20.0} | dict(timeouts or {})
    return Endpoint(
        base_url=f"http://127.0.0.1:{server.port}/",
        version="v2-4-2",
        read_timeout_s=seconds["read_timeout_s"],
        total_timeout_s=seconds["total_timeout_s"],
        max_page_bytes=1000,
    )


def talk(
    server: Server,
    work: Callable[[ApiClient], Awaitable[T]],
    *,
    key: Callable[[], str | None] = lambda: None,
    timeouts: Mapping[str, float] | None = None,
) -> T:
    """Return the result of `work` with a client of that server."""

    async def main() -> T:
        async with serving(server), ApiClient(endpoint(server, timeouts), key=key) as client:
            return await work(client)

    return asyncio.run(main())


async def ask(client: ApiClient) -> Answer:
    """Ask for page 2 of A-1."""
    return await client.ask("A-1", 2)


def failure(server: Server, timeouts: Mapping[str, float] | None = None) -> OrderError:
    """Return the error of a request to that server."""
    with pytest.raises(OrderError) as error:
        talk(server, ask, timeouts=timeouts)
    return error.value


def test_a_request_is_what_the_api_document_asks_for() -> None:
    """One POST to the version's path, with the three fields, and no key where none is set."""
    server = Server([answer(b"{}")])
    assert talk(server, ask) == Answer(status=200, body=b"{}")
    head, body = server.requests[0]
    assert head.startswith(b"POST /v2-4-2/api/order/event HTTP/1.1\r\n")
    assert json.loads(body) == {"order_id": "A-1", "page": 2, "page_size": 100}
    assert server.header("Content-Type") == server.header("Accept") == "application/json"
    assert server.header("User-Agent") == f"journeys/{journeys.__version__}"
    assert server.header("Host") == f"127.0.0.1:{server.port}"
    assert server.header("ApiKey") is None
    assert server.header("Authorization") is None


def test_the_key_is_sent_and_looked_up_again_only_when_refreshed() -> None:
    """A key is kept until it is refused: then the next request carries the new one."""
    keys = iter(["old", "new"])
    server = Server([answer(b"{}")])

    async def work(client: ApiClient) -> None:
        await client.ask("A-1", 1)
        await client.ask("A-1", 1)
        client.refresh_key()
        await client.ask("A-1", 1)
        assert "old" not in repr(client)
        assert "new" not in repr(client)

    talk(server, work, key=lambda: next(keys))
    assert [server.header("ApiKey", number) for number in range(3)] == ["old", "old", "new"]


def test_an_unreadable_key_is_unauthorized() -> None:
    """The order waits for the key to be mended; nothing is sent."""
    server = Server([answer(b"{}")])

    def key() -> str:
        raise ValueError("file is empty")

    with pytest.raises(UnauthorizedError) as refused:
        talk(server, ask, key=key)
    assert (refused.value.reason, server.requests) == ("key-file", [])


def test_retry_after_and_date_are_returned() -> None:
    """The headers of an answer that matter beside its body."""
    busy = answer(b"", "Retry-After: 7", "Date: today", status="429 Too Many Requests")
    assert talk(Server([busy]), ask) == Answer(status=429, body=b"", retry_after="7", date="today")


@pytest.mark.parametrize("coding", ["gzip", "X-GZip"])
@pytest.mark.parametrize("members", [[b'{"a": 1}'], [b"{", b"", b'"a": 1}']], ids=["one", "three"])
def test_gzip_is_decompressed(members: list[bytes], coding: str) -> None:
    """Gzip is asked for and understood: in one piece or in many, of one member or several (RFC 1952, section 2.2)."""
    packed = b"".join(map(gzip.compress, members))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in packed) + b"0\r\n\r\n"
    head = HEAD + f"Transfer-Encoding: chunked\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    server = Server([answer(packed, f"Content-Encoding: {coding}"), [head, chunks]])

    async def work(client: ApiClient) -> list[bytes]:
        return [(await ask(client)).body for _ in range(2)]

    assert talk(server, work) == [b'{"a": 1}', b'{"a": 1}']
    assert server.header("Accept-Encoding") == "gzip"


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip"])
def test_only_pages_are_decompressed(coding: str) -> None:
    """A refusal is known by its status, whatever its body is packed with, if anything."""
    refusal = answer(b"no", f"Content-Encoding: {coding}", status="401 Unauthorized")
    assert talk(Server([refusal]), ask).status == 401


@pytest.mark.parametrize(
    ("encoding", "is_encoded"),
    [("", False), ("identity", False), ("none", True), ("utf-8", True), ("br", True), ("gzip, gzip", True)],
)
def test_an_unknown_content_encoding_is_passed_on(encoding: str, is_encoded: bool) -> None:
    """The body is returned as it was received: it may be plain JSON all the same."""
    found = talk(Server([answer(b"{}", f"Content-Encoding: {encoding}")]), ask)
    assert (found.body, found.is_encoded) == (b"{}", is_encoded)


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("application/json", None),
        ("application/json; charset=ISO-8859-1", "ISO-8859-1"),
        ('application/json;Charset="windows-1252"; a=b', "windows-1252"),
        ("application/json; charset=\xff", None),
    ],
)
def test_the_charset_is_returned(content_type: str, charset: str | None) -> None:
    """The one that `Content-Type` names, if it names one."""
    assert talk(Server([answer(b"{}", f"Content-Type: {content_type}")]), ask).charset == charset


@pytest.mark.parametrize(
    "large",
    [
        answer(b" " * 1001),
        [CHUNKED, *[b"200\r\n" + b" " * 512 + b"\r\n"] * 2, HANG],
        [HEAD + b"\r\n" + b" " * 1001, CLOSE],
        answer(gzip.compress(b" " * 100_000), "Content-Encoding: gzip"),
        answer(gzip.compress(b" " * 600) * 2, "Content-Encoding: gzip"),
        [HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"") * 51, CLOSE],
        [HEAD + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n", HANG],
    ],
    ids=["declared", "chunked", "until-close", "packed", "members", "members-of-nothing", "only-promised"],
)
def test_a_page_too_large_is_refused(large: list[Piece]) -> None:
    """The client reads no more than the limit, whether the size is announced or hidden."""
    error = failure(Server([large]))
    assert isinstance(error, RejectedOrderError)
    assert error.reason == "page-too-large"


def test_decompression_stops_at_the_limit() -> None:
    """A few bytes may stand for all the memory that there is."""
    bomb = gzip.compress(bytes(128 * 2**20))
    head = HEAD + b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    server = Server([[head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb)]])
    tracemalloc.start()
    try:
        assert failure(server).reason == "page-too-large"
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 64 * 2**20


def test_a_page_of_exactly_the_limit_is_taken() -> None:
    """The limit itself is not beyond the limit."""
    assert len(talk(Server([answer(b" " * 1000)]), ask).body) == 1000


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ([CLOSE], "disconnected"),
        ([HEAD + b"Content-", CLOSE], "disconnected"),
        ([HEAD + b"Content-Length: 10\r\n\r\n{", CLOSE], "disconnected"),
        ([CHUNKED + b"5\r\n{", CLOSE], "disconnected"),
        ([CHUNKED + b"secret\r\n"], "transport"),
        ([b"SSH-2.0-secret\r\n\r\n"], "transport"),
        ([HEAD + b"Content-Length: secret\r\n\r\n"], "transport"),
        ([HEAD + b"Secret: " + b"s" * 100_000 + b"\r\n\r\n"], "transport"),
        (answer(b"secret, not packed", "Content-Encoding: gzip"), "not-decodable"),
        (answer(gzip.compress(b"secret")[:-1], "Content-Encoding: gzip"), "not-decodable"),
        (answer(gzip.compress(b"{}") + b"secret", "Content-Encoding: gzip"), "not-decodable"),
    ],
)
def test_broken_answers_are_transient(broken: list[Piece], reason: str) -> None:
    """Each is one of our errors with a stable reason, after one request, and quotes nothing."""
    server = Server([broken])
    error = failure(server)
    assert isinstance(error, TransientError)
    assert error.reason == reason
    assert "secret" not in str(error)
    assert len(server.requests) == 1


def test_connection_refused_is_transient() -> None:
    """A refused connection."""

    async def main() -> None:
        async with serving(Server([answer(b"{}")])) as server:
            pass
        async with ApiClient(endpoint(server), key=lambda: None) as client:
            await ask(client)

    with pytest.raises(TransientError) as failed:
        asyncio.run(main())
    assert failed.value.reason == "connect"


@pytest.mark.parametrize("limit", ["read_timeout_s", "total_timeout_s"])
@pytest.mark.parametrize("said", [[], [HEAD + b"Content-Length: 10\r\n\r\n{"]], ids=["nothing", "half"])
def test_silence_is_a_timeout(limit: str, said: list[Piece]) -> None:
    """Before the head or within the body: each limit ends it by itself."""
    error = failure(Server([[*said, HANG]]), {limit: 0.05})
    assert isinstance(error, TransientError)
    assert error.reason == "timeout"


def test_cancellation_is_not_an_order_error() -> None:
    """A request that is cancelled raises CancelledError, and the client is as good as before."""
    server = Server([[HANG], answer(b"{}")])

    async def work(client: ApiClient) -> Answer:
        task = asyncio.ensure_future(ask(client))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await ask(client)

    assert talk(server, work).body == b"{}"
