"""The only door to aiohttp's client: aiohttp's connections behind httpx's interface.

httpx's own pool collapses under concurrency (encode/httpx #3215). The library httpx-aiohttp does the same as this
module for any request; the parts that we do not need took a tenth of the client's CPU time (benchmarks/client.py).
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx

from journeys.errors import SetupError

_KEEP_ALIVE_S: Final = 30.0
"""Seconds that an idle connection is kept; below the 60 s at which common load balancers close theirs."""

_FAILURES: Final = (
    (TimeoutError, httpx.TimeoutException),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.NetworkError),
    (aiohttp.ClientPayloadError, httpx.NetworkError),
    (OSError, httpx.NetworkError),
)
"""aiohttp's errors and the httpx errors for them. The first match counts; others are `httpx.TransportError`."""
_NO_FILES: Final = (errno.EMFILE, errno.ENFILE)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Keeps at most `connections` connections to the host of `url`.

    It keeps no cookies and follows no redirects. It may be created on any thread; its requests belong to one event
    loop. Raises SetupError if the environment names a proxy that aiohttp cannot use.
    """

    def __init__(self, url: httpx.URL, *, connections: int) -> None:
        self._url = url
        self._proxy = _proxy(url)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose content is in memory. Raises httpx.TransportError; a ConnectError says why."""
        if self._session is None:
            self._session = self._open()
        timeout = request.extensions["timeout"]
        try:
            response = await self._session.request(
                request.method,
                str(request.url),
                headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
                data=request.content,
                allow_redirects=False,
                timeout=_timeout(timeout["connect"], timeout["read"], timeout["pool"]),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response), request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Called at the first request: aiohttp needs a running loop.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=_KEEP_ALIVE_S,
                ssl=ssl.create_default_context() if self._url.scheme == "https" else True,
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=self._proxy,
        )


class _Body(httpx.AsyncByteStream):
    """The body of an answer, in pieces as they arrive."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while piece := await self._response.content.readany():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error

    async def aclose(self) -> None:
        self._response.release()  # closes the connection if the body was not read to its end


@lru_cache
def _timeout(connect_s: float, read_s: float, pool_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=read_s, connect=pool_s)


def _failure(error: Exception) -> httpx.TransportError:
    kind = next((ours for theirs, ours in _FAILURES if isinstance(error, theirs)), httpx.TransportError)
    return kind(_why(error) if isinstance(error, aiohttp.ClientConnectorError) else "")


def _why(error: aiohttp.ClientConnectorError) -> str:
    """Describe why there is no connection, without an address: it may hold credentials."""
    peer = "the proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else "the API"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        refusal = error.certificate_error
        why = refusal.verify_message if isinstance(refusal, ssl.SSLCertVerificationError) else type(refusal).__name__
        return f"the certificate of {peer} is not trusted: {why}"
    cause = error.os_error
    if isinstance(cause, ssl.SSLError):
        return f"TLS with {peer} fails: {cause.reason}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name of {peer} is not known"
    if cause.errno in _NO_FILES:
        return "this worker has no file descriptor left (`ulimit -n`)"
    if cause.errno == errno.ECONNREFUSED:
        return f"{peer} refuses connections"
    return f"{peer} cannot be reached: {cause.strerror}"


def _proxy(url: httpx.URL) -> str | None:
    """Return the environment's proxy for `url`. Raises SetupError for one that aiohttp cannot use.

    aiohttp's own `trust_env` looks it up for each request, with two thread hops, and reads passwords from a .netrc.
    """
    proxy = None if proxy_bypass(url.host) else getproxies().get(url.scheme)
    if not proxy:
        return None
    scheme, separator, _ = proxy.partition("://")
    if not separator:
        return f"http://{proxy}"
    if scheme.lower() not in {"http", "https"}:
        name = f"{url.scheme}_proxy"
        raise SetupError(f"the proxy that {name} names is of a kind that is not supported: {scheme}://")
    return proxy
