"""Telling a worker to go on after a flood of dead letters: one POST to its own HTTP server.

http.client is used as it is: no proxy stands between an operator and a worker, and no redirect is followed.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from journeys.errors import HaltError, SetupError
from journeys.redact import without_credentials
from journeys.settings import OpsSettings

_TIMEOUT = 10.0
_LONGEST = 64 * 1024
"""Bytes of an answer that are looked at."""
_PATH = "/resume"
_CONNECTIONS: dict[str, Callable[..., http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


def address_of(ops: OpsSettings) -> str:
    """Where a worker with these settings listens, seen from the same machine. Raises SetupError for any free port."""
    if ops.port == 0:
        raise SetupError(
            "JOURNEYS_OPS__PORT is 0, any free port; the worker's log names it (ops.listening)",
            remedy="journeys dead-letters resume --url http://127.0.0.1:PORT",
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ops.host, ops.host)  # noqa: S104 - not listened on here
    return f"http://[{host}]:{ops.port}" if ":" in host else f"http://{host}:{ops.port}"


def resume(address: str) -> list[str]:
    """Ask the worker at this address to go on; what it says it opened. Raises HaltError where it does not.

    Raises ValueError for what is no http:// or https:// address.
    """
    status, body = _post(address)
    address = without_credentials(address)
    if status in (404, 405):
        raise HaltError(f"{address} answers {status}: this is no journeys worker, or one too old to be resumed")
    if status != 200:
        raise HaltError(f"{address} answers {status}: {_line(body)}")
    try:
        answer = json.loads(body)
        ok, opened = answer["ok"], answer["opened"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise HaltError(f"{address} does not answer as a worker does: {_line(body)}") from None
    if ok is not True or not isinstance(opened, list):
        raise HaltError(f"{address} did not go on: {_line(body)}")
    return [str(reason) for reason in opened]


def _post(address: str) -> tuple[int, bytes]:
    parts = urlsplit(address)
    if parts.scheme not in _CONNECTIONS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{without_credentials(address)} is no http:// or https:// address")
    told = without_credentials(address)
    path = parts.path.rstrip("/").removesuffix(_PATH) + _PATH
    connection = _CONNECTIONS[parts.scheme](parts.hostname, parts.port, timeout=_TIMEOUT)
    try:
        connection.request("POST", path, body=b"", headers={"X-Journeys": "resume", "Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST)
    except OSError as error:
        raise HaltError(f"no worker listens at {told} ({error.strerror or error})") from None
    except http.client.HTTPException as error:
        raise HaltError(f"{told} does not speak HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


def _line(body: bytes) -> str:
    """The start of an answer, in one line that a terminal can show."""
    text = " ".join(body[:200].decode(errors="replace").split())
    return text if text.isprintable() else repr(text)
