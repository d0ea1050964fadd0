"""The connections of the HTTP client: kept open, without cookies, redirects, untrusted servers."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from tests.support.byte_server import Server, answer, serving

from journeys.errors import SetupError
from journeys.fetcher.http.transport import AiohttpTransport

TIMEOUT = {"timeout": {"connect": 20.0, "read": 20.0, "write": 20.0, "pool": 20.0}}


async def post(transport: AiohttpTransport, url: str) -> tuple[int, bytes]:
    """Post an empty object; return status and body."""
    request = httpx.Request("POST", url, content=b"{}", headers={"ApiKey": "any"}, extensions=TIMEOUT)
    response = await transport.handle_async_request(request)
    try:
        return response.status_code, await response.aread()
    finally:
        await response.aclose()


async def post_once(url: str) -> bytes:
    """Return the body of the answer to one request over a transport of its own."""
    transport = AiohttpTransport(httpx.URL(url), connections=1)
    try:
        return (await post(transport, url))[1]
    finally:
        await transport.aclose()


def post_times(server: Server, times: int) -> list[int]:
    """Return the statuses of requests that follow one another over one transport."""

    async def main() -> list[int]:
        async with serving(server):
            url = f"http://127.0.0.1:{server.port}/"
            transport = AiohttpTransport(httpx.URL(url), connections=1)
            try:
                return [(await post(transport, url))[0] for _ in range(times)]
            finally:
                await transport.aclose()

    return asyncio.run(main())


def test_one_connection_serves_many_requests() -> None:
    """The transport keeps connections open between requests."""
    server = Server([answer(b"{}")])
    assert post_times(server, 5) == [200] * 5
    assert (len(server.requests), len(server.connections)) == (5, 1)


def test_no_cookie_is_kept_and_no_redirect_followed() -> None:
    """A cookie never goes back to the server, and the key never follows a redirect to another host."""
    server = Server([answer(b"", "Location: http://127.0.0.2:9/", "Set-Cookie: a=b; Path=/", status="302 Found")])
    assert post_times(server, 2) == [302, 302]
    assert server.header("Cookie") is None


def test_https_verifies_the_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`SSL_CERT_FILE` names the trusted authorities, as for OpenSSL; an untrusted server gets no request."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    server = Server([answer(b"{}")])

    async def main() -> None:
        async with serving(server, tls):
            url = f"https://127.0.0.1:{server.port}/"
            with pytest.raises(httpx.ConnectError, match="the certificate of the API is not trusted: unable to get"):
                await post_once(url)
            assert server.requests == []
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
            assert await post_once(url) == b"{}"

    asyncio.run(main())
    assert server.header("ApiKey") == "any"


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """`http_proxy` gets the whole address; for a host in `no_proxy` the request goes to the host itself."""
    proxy = Server([answer(b'"by proxy"')])

    async def main() -> None:
        async with serving(proxy), serving(Server([answer(b'"direct"')])) as direct:
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            for scheme in ("http://", "HTTP://", ""):
                monkeypatch.setenv("http_proxy", f"{scheme}127.0.0.1:{proxy.port}")
                assert await post_once("http://api.test/v1") == b'"by proxy"'
            assert await post_once(f"http://127.0.0.1:{direct.port}/") == b'"direct"'

    asyncio.run(main())
    assert proxy.requests[0][0].startswith(b"POST http://api.test/v1 HTTP/1.1\r\n")


def test_an_unsupported_proxy_raises_setup_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker does not take it for an API that is down; the error does not quote the password."""
    monkeypatch.setenv("http_proxy", "socks5://me:s3cret@127.0.0.1:1080")
    with pytest.raises(SetupError, match="socks5") as refused:
        AiohttpTransport(httpx.URL("http://api.test"), connections=1)
    assert "s3cret" not in str(refused.value)


def refusal(url: str) -> str:
    """Return the reason why there is no connection to `url`."""
    with pytest.raises(httpx.ConnectError) as refused:
        asyncio.run(post_once(url))
    return str(refused.value)


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def test_refused_connection_and_unknown_host_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which of the two it is, and whether the proxy or the API is meant."""
    assert refusal("http://host.invalid/") == "the host name of the API is not known"
    with closed_port() as port:
        assert refusal(f"http://127.0.0.1:{port}/") == "the API refuses connections"
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert refusal("http://api.test/") == "the proxy refuses connections"


def test_plain_http_behind_https_is_named() -> None:
    """A server without TLS is no refused connection."""

    def serve(_: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        client.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        client.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1") as plain:
            port = plain.sockets[0].getsockname()[1]
            with pytest.raises(httpx.ConnectError, match="TLS with the API fails: WRONG_VERSION_NUMBER"):
                await post_once(f"https://127.0.0.1:{port}/")

    asyncio.run(main())


def test_missing_file_descriptors_are_our_own_fault() -> None:
    """A worker without a free file descriptor does not blame the API."""

    async def main() -> None:
        async with serving(Server([answer(b"{}")])) as server:
            before, next_free = resource.getrlimit(resource.RLIMIT_NOFILE), os.dup(0)
            os.close(next_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, before[1]))
            try:
                with pytest.raises(httpx.ConnectError, match="no file descriptor left"):
                    await post_once(f"http://127.0.0.1:{server.port}/")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)

    asyncio.run(main())
