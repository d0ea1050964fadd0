"""The HTTP server for probes, metrics and people, on the worker's event loop.

    GET  /healthz              200, or 503 with each reason by its name
    GET  /readyz               the same; also 200 with `degraded`. Each reason says since when and what to do. Names
                               the oldest order in hand
    GET  /metrics              Prometheus
    GET  /                     the page for people, with /console.js and /console.css; it polls /state.json
    GET  /state.json           everything that the page shows, as `console/state.schema.json` describes it
    GET  /runbook              docs/runbook.md, with an anchor for each section
    POST /hold, /resume        stop the intake of orders; continue it, also after a flood of dead letters

A POST needs the header `X-Journeys`, which a web page cannot send to another site (CSRF), and the token, if one is set.

A stuck event loop does not answer, and so fails its probe. Another thread renders metrics and state, so that a scrape
does not delay orders. The server limits the number and the age of connections, so that clients that leave connections
open cannot use up the file descriptors of Kafka and the API.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias, cast

import msgspec
from aiohttp import web
from aiohttp.http import HttpProcessingError

from journeys.errors import SetupError
from journeys.ops import console, runbook
from journeys.ops.guard import Guard
from journeys.ops.health import ADVICE, Degraded, OldestOrder, Readiness, Report, Trouble, Unready
from journeys.ops.metrics import Metrics
from journeys.ops.state import State

Control: TypeAlias = Callable[[], Mapping[str, object]]
"""Changes the worker's state. Returns the fields of the answer."""


class StateOf(Protocol):
    """Gathers the state of a worker from the reports of its probes. Runs on a thread of its own."""

    def __call__(self, found: Readiness, alive: Report, /, *, controls: Literal["open", "token", "off"]) -> State:
        """Return the state now. Must not block."""


_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
CONTROL_HEADER = "X-Journeys"
MOST_CONNECTIONS = 64
"""One more connection closes the oldest one, even in use, so that open connections never block a probe."""
_PATIENCE_S = 10.0
"""Seconds to wait for a request on an open connection, and for the rest of a body that is not read."""
_GRACE = 0.5
"""Seconds to finish answers when the server stops."""


@asynccontextmanager
async def serve(
    *,
    host: str,
    port: int,
    metrics: Metrics,
    ready: Callable[[], Readiness],
    alive: Callable[[], Report],
    state: StateOf,
    controls: Mapping[str, Control] | None = None,
    token: Callable[[], str | None] | None = None,
    patience_s: float = _PATIENCE_S,
) -> AsyncIterator[str]:
    """Serve while the block runs. Yields the address, such as `http://127.0.0.1:8080`. Port 0 is any free one.

    `token` reads the token that `controls` ask for; None if none is set. Raises SetupError if the server cannot listen
    on the address.
    """
    guard = Guard(host=host, token=token)
    application = web.Application()
    application.add_routes([*_probes(metrics, ready, alive), *_pages(ready, alive, state, guard)])
    application.add_routes([web.post(path, _controlled(control, guard)) for path, control in (controls or {}).items()])
    runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=_GRACE)
    await runner.setup()
    loop = asyncio.get_running_loop()
    connections: dict[_Connection, asyncio.Transport] = {}

    def connect() -> _Connection:
        return _Connection(connections, cast(web.Server, runner.server), loop=loop, patience_s=patience_s)

    try:
        try:
            listener = await loop.create_server(connect, host, port)
        except OSError as error:
            raise _cannot_listen(host, port, error) from None
        try:
            yield _address(host, listener)
        finally:
            listener.close()
    finally:
        await runner.cleanup()


class _Connection(web.RequestHandler):
    """One connection, with a limited age. `connections` holds all of them, and limits their number."""

    def __init__(
        self,
        connections: dict[_Connection, asyncio.Transport],
        server: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        patience_s: float,
    ) -> None:
        # aiohttp accepts None for "no access log", although its type does not say so.
        no_log: Any = None
        super().__init__(server, loop=loop, access_log=no_log, keepalive_timeout=patience_s, lingering_time=patience_s)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            self._connections.pop(next(iter(self._connections))).abort()  # `close` would wait for an answer to be read
        self._connections[self] = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.pop(self, None)
        super().connection_lost(exc)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log only defects. Malformed requests get a 400 and no log line, because any client can send many."""
        if not isinstance(kw.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            super().log_exception(*args, **kw)


def _probes(metrics: Metrics, ready: Callable[[], Readiness], alive: Callable[[], Report]) -> list[web.RouteDef]:
    async def readyz(_request: web.Request) -> web.Response:
        return _readiness(ready())

    async def healthz(_request: web.Request) -> web.Response:
        return _answer(alive())

    async def show_metrics(_request: web.Request) -> web.Response:
        body = await asyncio.to_thread(metrics.render)
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": Metrics.content_type})

    return [web.get("/readyz", readyz), web.get("/healthz", healthz), web.get("/metrics", show_metrics)]


def _pages(
    ready: Callable[[], Readiness], alive: Callable[[], Report], state: StateOf, guard: Guard
) -> list[web.RouteDef]:
    def render(found: Readiness, report: Report) -> bytes:
        return msgspec.json.encode(state(found, report, controls=guard.controls))

    async def show_state(request: web.Request) -> web.Response:
        if (refusal := guard.refusal(request.host)) is not None:
            return _refused(403, refusal)
        body = await asyncio.to_thread(render, ready(), alive())
        return web.Response(body=body, content_type="application/json", headers=_HEADERS)

    async def show_file(request: web.Request) -> web.Response:
        name, media_type = console.FILES[request.path]
        return web.Response(text=console.text(name), content_type=media_type, headers=_HEADERS)

    async def show_runbook(_request: web.Request) -> web.Response:
        body = await asyncio.to_thread(runbook.page)
        return web.Response(text=body, content_type="text/html", headers=_HEADERS)

    return [
        web.get("/state.json", show_state),
        web.get("/runbook", show_runbook),
        *(web.get(path, show_file) for path in console.FILES),
    ]


def _controlled(control: Control, guard: Guard) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if CONTROL_HEADER not in request.headers:
            return _refused(403, f"the header {CONTROL_HEADER} is missing")
        if (refusal := guard.refusal(request.host)) is not None:
            return _refused(403, refusal)
        if (refusal := guard.refusal_of_control(request.headers.get("Authorization", ""))) is not None:
            return _refused(401, refusal)
        return web.json_response({"ok": True, **control()}, headers=_HEADERS)

    return handle


def _refused(status: int, error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=status, headers=_HEADERS)


def _answer(report: Report) -> web.Response:
    """200 `{"ok": true, "reasons": {}}`, or 503 with each reason by its name."""
    status = 200 if report.good else 503
    return web.json_response({"ok": report.good, "reasons": dict(report.reasons)}, status=status, headers=_HEADERS)


def _readiness(found: Readiness) -> web.Response:
    """200 or 503, with what each reason means; `degraded` has those of a ready worker."""
    answer = {
        "ok": found.good,
        "reasons": _told(found.unready),
        "degraded": _told(found.degraded),
        "oldest_order": None if found.oldest is None else _named(found.oldest),
    }
    return web.json_response(answer, status=200 if found.good else 503, headers=_HEADERS)


def _named(order: OldestOrder) -> dict[str, object]:
    return {"order_id": order.order_id, "position": str(order.position), "seconds": round(order.seconds, 1)}


def _told(troubles: Mapping[Unready, Trouble] | Mapping[Degraded, Trouble]) -> dict[str, dict[str, str]]:
    return {
        str(name): {
            "why": trouble.why,
            "since": datetime.fromtimestamp(trouble.since, UTC).isoformat(timespec="seconds"),
            "orders": ADVICE[name].orders,
            "remedy": ADVICE[name].remedy,
            "runbook": f"docs/runbook.md#{ADVICE[name].section}",
        }
        for name, trouble in troubles.items()
    }


def _address(host: str, listener: asyncio.Server) -> str:
    port = listener.sockets[0].getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cannot_listen(host: str, port: int, error: OSError) -> SetupError:
    if error.errno == errno.EADDRINUSE:
        return SetupError(
            f"port {port} on {host} is in use; each worker needs its own port for health and metrics",
            remedy=f"JOURNEYS_OPS__PORT={port + 2} journeys run",  # 8081 is the usual port of a registry
        )
    return SetupError(
        f"cannot listen on {host}:{port}: {error.strerror}; see JOURNEYS_OPS__HOST and JOURNEYS_OPS__PORT"
    )
