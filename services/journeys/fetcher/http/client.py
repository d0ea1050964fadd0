"""The door to httpx: one POST to the order-event API, as an answer or an OrderError.

Requests go to the transport at once, not through httpx's `AsyncClient`: what that adds (redirects, which would send
the `ApiKey` header along to another host, cookies, authentication, a log line for each request) is nothing that is
wanted here, and was a third of a request's CPU time (benchmarks/client.py).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import httpx
import msgspec

import journeys
from journeys.errors import OrderError
from journeys.fetcher.failures import failure
from journeys.fetcher.http.transport import AiohttpTransport
from journeys.fetcher.pages import Answer
from journeys.model import Json

_GZIP: Final = frozenset({b"gzip", b"x-gzip"})
_MEMBER: Final = zlib.MAX_WBITS | 16
"""How zlib names gzip, with its header and its check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to ask, and how hard; times in seconds, sizes in bytes."""

    base_url: str
    version: str
    page_size: int = 100
    max_concurrency: int = 128
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    total_timeout: float = 60.0
    max_page_bytes: int = 32 * 2**20

    @property
    def url(self) -> str:
        """The address of every request."""
        return f"{self.base_url.rstrip('/')}/{self.version}/api/order/event"


class ApiClient:
    """Asks for pages. `key` gives the API key; it is asked once, and again after `refresh_key`.

    To be used as an async context manager, on one event loop.
    """

    def __init__(self, endpoint: Endpoint, *, key: Callable[[], str | None]) -> None:
        self._endpoint = endpoint
        self._key = key
        self._headers: httpx.Headers | None = None
        self._url = httpx.URL(endpoint.url)
        self._encode = msgspec.json.Encoder().encode
        timeouts = httpx.Timeout(
            connect=endpoint.connect_timeout,
            read=endpoint.read_timeout,
            write=endpoint.read_timeout,
            pool=endpoint.total_timeout,
        )
        self._extensions = {"timeout": timeouts.as_dict()}
        self._transport = AiohttpTransport(self._url, connections=endpoint.max_concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    def refresh_key(self) -> None:
        """Ask for the key again before the next request: it may have been replaced."""
        self._headers = None

    async def ask(self, order_id: str, page: int) -> Answer:
        """Post for one page.

        Raises TransientError, RejectedOrderError (too large), UnauthorizedError (no key to send).
        """
        request = self._request({"order_id": order_id, "page": page, "page_size": self._endpoint.page_size})
        try:
            async with asyncio.timeout(self._endpoint.total_timeout):
                response = await self._transport.handle_async_request(request)
                # One look at all of them: each that httpx takes by name costs as much.
                headers = {name.lower(): value for name, value in response.headers.raw}
                try:
                    body = await self._read(response, headers)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, LookupError, ValueError, zlib.error) as error:
            raise _passing(error) from error
        retry_after = headers.get(b"retry-after")
        return Answer(
            status=response.status_code,
            body=body,
            retry_after=None if retry_after is None else retry_after.decode("latin-1"),
        )

    def _request(self, content: Json) -> httpx.Request:
        # Made with `stream`, httpx takes the headers as they are; with `content`, it works out those it would add,
        # in ten times the time. aiohttp counts the bytes by itself.
        request = httpx.Request(
            "POST",
            self._url,
            headers=self._prepared(),
            stream=httpx.ByteStream(self._encode(content)),
            extensions=self._extensions,
        )
        request.read()
        return request

    async def _read(self, response: httpx.Response, headers: Mapping[bytes, bytes]) -> bytes:
        """The body, unpacked where it is a page's, and of `max_page_bytes` at most either way.

        httpx sets no limit to what it unpacks, and unpacks what was packed several times.
        """
        limit = self._endpoint.max_page_bytes
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        coding = headers.get(b"content-encoding", b"identity").lower()
        unpack = _Gunzip() if coding != b"identity" and response.status_code == httpx.codes.OK else None
        if unpack is not None and coding not in _GZIP:
            raise failure("not-decodable", "the answer is packed in another way than was asked for")
        chunks: list[bytes] = []
        came = size = 0
        async for chunk in response.stream:
            came += len(chunk)
            made = chunk if unpack is None else unpack(chunk, limit - size + 1)
            size += len(made)
            if max(came, size) > limit:
                raise _too_large(limit)
            chunks.append(made)
        if unpack is not None and not unpack.is_whole:
            raise failure("not-decodable", "the packed answer breaks off")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _prepared(self) -> httpx.Headers:
        if self._headers is None:
            headers = {
                "Host": self._url.netloc.decode(),
                "User-Agent": f"journeys/{journeys.__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
            }
            try:
                key = self._key()
            except ValueError as error:
                raise failure("key-file", f"the API key {error}") from error
            if key is not None:
                headers["ApiKey"] = key
            self._headers = httpx.Headers(headers)
        return self._headers


class _Gunzip:
    """Unpacks a body piece by piece: gzip members, one after the other (RFC 1952, section 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_MEMBER)
        self.is_whole = True
        """Whether the body may end here."""

    def __call__(self, piece: bytes, most: int) -> bytes:
        """What comes of a piece, but no more than `most` bytes, which are one at least. Raises zlib.error."""
        made: list[bytes] = []
        while piece and most:
            if self._member.eof:
                self._member = zlib.decompressobj(_MEMBER)
            made.append(self._member.decompress(piece, most))
            most -= len(made[-1])
            piece = self._member.unused_data
            self.is_whole = self._member.eof
        return b"".join(made)


def _too_large(limit: int) -> OrderError:
    return failure("page-too-large", f"a page has more than {limit} bytes (JOURNEYS_API__MAX_PAGE_BYTES)")


def _passing(error: Exception) -> OrderError:
    """Our words for what went wrong: an exception's own text could hold an address or a part of a body."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return failure("timeout", "the API did not answer in time")
    if isinstance(error, httpx.ConnectError):
        return failure("connect", "the API cannot be reached")
    if isinstance(error, httpx.NetworkError | OSError):
        return failure("disconnected", "the connection to the API broke off")
    if isinstance(error, zlib.error):
        return failure("not-decodable", "the answer cannot be unpacked")
    return failure("transport", f"the API cannot be asked: {type(error.__cause__ or error).__name__}")
