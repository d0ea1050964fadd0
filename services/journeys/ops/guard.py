"""Decides who may see the state of a worker, and who may hold and resume it. Sans-I/O, except for the token's file.

A server on a loopback address trusts everything that reaches it. A web page of another site could reach it too, under a
name of its own that it points to the loopback address (DNS rebinding). So such a server answers only to loopback names.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The rules of one server. `host` is the address that it listens on.

    `token` reads the token at each request, and raises ValueError if it cannot; None if no token is set.
    """

    host: str
    token: Callable[[], str | None] | None = None

    @property
    def controls(self) -> Literal["open", "token", "off"]:
        """How the page may hold and resume the worker: at once, with a token, or not at all."""
        if self.token is not None:
            return "token"
        return "open" if is_loopback(self.host) else "off"

    def refusal(self, host_header: str) -> str | None:
        """Why a request with this `Host` header is refused; None if it is not."""
        if self.controls == "open" and not is_loopback(_host_of(host_header)):
            return "this worker listens on a loopback address, and answers to loopback names only"
        return None

    def refusal_of_control(self, authorization: str) -> str | None:
        """Why hold and resume are refused to a request with this `Authorization` header; None if they are not."""
        if self.token is None:
            return None
        try:
            token = self.token() or ""
        except ValueError as error:
            return f"the file of JOURNEYS_OPS__TOKEN_FILE {error}"
        sent = authorization.removeprefix("Bearer ").encode(errors="surrogateescape")
        return None if hmac.compare_digest(sent, token.encode()) else "the token is missing or wrong"


def _host_of(host_header: str) -> str:
    """The host of a `Host` header; empty if it has none that can be read."""
    try:
        return urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or an address stands for this machine alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
