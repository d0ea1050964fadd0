"""The only door to httpx: sends one POST to the order-event API and returns its answer, or raises an OrderError.

Requests go straight to the transport, not through httpx's `AsyncClient`. We need none of what that adds: redirects
(which would send the `ApiKey` header to another host), cookies, authentication, a log line for each request. It took
a third of a request's CPU time (benchmarks/client.py).
"""

from __future__ import annotations

import asyncio
import re
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
_KNOWN_ENCODINGS: Final = _GZIP | {b"", b"identity"}
_CHARSET: Final = re.compile(rb"""charset\s*=\s*["']?([A-Za-z0-9._:-]+)""", re.IGNORECASE)
_MEMBER: Final = zlib.MAX_WBITS | 16
"""The `wbits` of zlib for gzip, with its header and checksum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The address of the API, and the limits of a request."""

    base_url: str
    version: str
    page_size: int = 100
    """Events per page."""
    max_concurrency: int = 128
    """Connections at the same time."""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 60.0
    max_page_bytes: int = 32 * 2**20

    @property
    def url(self) -> str:
        """The URL of every request."""
        return f"{self.base_url.rstrip('/')}/{self.version}/api/order/event"


class ApiClient:
    """Requests pages. `key` returns the API key; it is called before the first request and after `refresh_key`.

    Use it as an async context manager, on one event loop.
    """

    def __init__(self, endpoint: Endpoint, *, key: Callable[[], str | None]) -> None:
        self._endpoint = endpoint
        self._key = key
        self._headers: httpx.Headers | None = None
        self._url = httpx.URL(endpoint.url)
        self._encode = msgspec.json.Encoder().encode
        timeouts = httpx.Timeout(
            connect=endpoint.connect_timeout_s,
            read=endpoint.read_timeout_s,
            write=endpoint.read_timeout_s,
            pool=endpoint.total_timeout_s,
        )
        self._extensions = {"timeout": timeouts.as_dict()}
        self._transport = AiohttpTransport(self._url, connections=endpoint.max_concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    def refresh_key(self) -> None:
        """Read the key again before the next request: it may have been replaced."""
        self._headers = None

    async def ask(self, order_id: str, page: int) -> Answer:
        """Request one page, counted from 1.

        Raises TransientError, RejectedOrderError (the page is too large) or UnauthorizedError (the key is unreadable).
        """
        request = self._request({"order_id": order_id, "page": page, "page_size": self._endpoint.page_size})
        try:
            async with asyncio.timeout(self._endpoint.total_timeout_s):
                response = await self._transport.handle_async_request(request)
                # httpx's lookup of one header by name costs as much as this dict of all.
                headers = {name.lower(): value for name, value in response.headers.raw}
                try:
                    body = await self._read(response, headers)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, LookupError, ValueError, zlib.error) as error:
            raise _transient(error) from error
        retry_after, date = headers.get(b"retry-after"), headers.get(b"date")
        charset = _CHARSET.search(headers.get(b"content-type", b""))
        return Answer(
            status=response.status_code,
            body=body,
            retry_after=None if retry_after is None else retry_after.decode("latin-1"),
            charset=None if charset is None else charset[1].decode("ascii"),
            is_encoded=headers.get(b"content-encoding", b"").lower() not in _KNOWN_ENCODINGS,
            date=None if date is None else date.decode("latin-1"),
        )

    def _request(self, content: Json) -> httpx.Request:
        # With `stream`, httpx takes the headers as they are. With `content` it computes additional ones, which takes
        # ten times as long. aiohttp adds the Content-Length.
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
        """Return the body, decompressed if it is a page. Both sizes are limited to `max_page_bytes`.

        httpx's own decoders have no limit, and they decode several layers.
        """
        limit_bytes = self._endpoint.max_page_bytes
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit_bytes:
            raise _too_large(limit_bytes)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        is_gzip = headers.get(b"content-encoding", b"").lower() in _GZIP
        unpack = _Gunzip() if is_gzip and response.status_code == httpx.codes.OK else None
        chunks: list[bytes] = []
        came = size = 0
        async for chunk in response.stream:
            came += len(chunk)
            made = chunk if unpack is None else unpack(chunk, limit_bytes - size + 1)
            size += len(made)
            if max(came, size) > limit_bytes:
                raise _too_large(limit_bytes)
            chunks.append(made)
        if unpack is not None and not unpack.is_whole:
            raise failure("not-decodable", "the compressed answer breaks off")
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
    """Decompresses a body piece by piece: one or more gzip members (RFC 1952, section 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_MEMBER)
        self.is_whole = True
        """Whether the body may end here."""

    def __call__(self, piece: bytes, most: int) -> bytes:
        """Return the decompressed bytes of a piece, at most `most` (at least 1). Raises zlib.error."""
        made: list[bytes] = []
        while piece and most:
            if self._member.eof:
                self._member = zlib.decompressobj(_MEMBER)
            made.append(self._member.decompress(piece, most))
            most -= len(made[-1])
            piece = self._member.unused_data
            self.is_whole = self._member.eof
        return b"".join(made)


def _too_large(limit_bytes: int) -> OrderError:
    return failure("page-too-large", f"a page has more than {limit_bytes} bytes (JOURNEYS_API__MAX_PAGE_BYTES)")


def _transient(error: Exception) -> OrderError:
    """Describe the error in our own words: its text could hold an address or a part of a body."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return failure("timeout", "the API did not answer in time")
    if isinstance(error, httpx.ConnectError):
        return failure("connect", str(error))  # the transport's own words
    if isinstance(error, httpx.NetworkError | OSError):
        return failure("disconnected", "the connection to the API broke off")
    if isinstance(error, zlib.error):
        return failure("not-decodable", "the answer cannot be decompressed")
    return failure("transport", f"the API cannot be asked: {type(error.__cause__ or error).__name__}")
