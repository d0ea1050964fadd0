"""A token endpoint as an OAuth 2.0 server has one: it grants client credentials, and keeps each request."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request for a token: its path, the client's id and secret, and the form."""

    path: str
    credentials: str
    form: dict[str, list[str]]


class Issuer:
    """Grants tokens of `lifetime_s` seconds to the client that asks, in its name. Use it as a context manager.

    The tokens bear no signature: they are for a broker that checks none.
    """

    def __init__(self, *, lifetime_s: int) -> None:
        self.asked: list[Asked] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                encoded = self.headers["Authorization"].removeprefix("Basic ")
                request = Asked(
                    path=self.path,
                    credentials=base64.b64decode(encoded).decode(),
                    form=parse_qs(self.rfile.read(length).decode()),
                )
                issuer.asked.append(request)
                token = _token(request.credentials.partition(":")[0], lifetime_s)
                body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}/oauth2/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _token(subject: str, lifetime_s: int) -> str:
    """A JSON Web Token without a signature (RFC 7519, section 6)."""
    now = int(time.time())
    parts = {"alg": "none"}, {"sub": subject, "iat": now, "exp": now + lifetime_s}
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, ""))
