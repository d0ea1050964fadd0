"""HTTP requests to servers of this machine. They ignore the proxy that the environment may name."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

_OPENER = build_opener(ProxyHandler({}))


def answers(url: str) -> bool:
    """Whether a server answers a GET with 200, within 2 s."""
    try:
        with _OPENER.open(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:  # such as URLError
        return False


def read_json(request: str | Request) -> Any:
    """The JSON of an answer. Raises OSError if there is none within 10 s, or if it has an HTTP status of an error."""
    with _OPENER.open(request, timeout=10) as reply:
        return json.load(reply)
