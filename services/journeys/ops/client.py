"""Asks the ops server of a worker: resumes it after a flood of dead letters, and reads its pages.

It uses plain http.client: no proxy stands between an operator and a worker, and a redirect is an error.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from journeys.errors import HaltError, SetupError
from journeys.redact import without_credentials
from journeys.settings import OpsSettings

_TIMEOUT_S = 10.0
_LONGEST_BYTES = 4 * 2**20
"""How much of an answer is read."""
_RESUME = {"X-Journeys": "resume", "Accept": "application/json"}
_CONNECTIONS: dict[str, Callable[..., http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


def address_of(ops: OpsSettings) -> str:
    """The address of a worker with these settings, on the same machine. Raises SetupError for port 0."""
    if ops.port == 0:
        raise SetupError(
            "JOURNEYS_OPS__PORT is 0, any free port; the worker's log names it (ops.listening)",
            remedy="journeys dead-letters resume --url http://127.0.0.1:PORT",
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ops.host, ops.host)  # noqa: S104 - not listened on here
    return f"http://[{host}]:{ops.port}" if ":" in host else f"http://{host}:{ops.port}"


def split_address(address: str) -> SplitResult:
    """The parts of a worker's address. Raises ValueError if it is not http:// or https://."""
    parts = urlsplit(address)
    is_usable = parts.scheme in _CONNECTIONS and parts.hostname and parts.port != 0
    if not is_usable or parts.query or parts.fragment:
        raise ValueError(f"{without_credentials(address)} is no http:// or https:// address")
    return parts


def resume(address: str, token: str | None = None) -> list[str]:
    """Resume the worker at this address. Returns the reasons that it removed from its gate.

    `token` is that of the worker's JOURNEYS_OPS__TOKEN_FILE.

    Raises HaltError if the worker does not answer or does not resume, ValueError for an address that is not http:// or
    https://.
    """
    status, body = _ask("POST", address, "/resume", _RESUME | ({"Authorization": f"Bearer {token}"} if token else {}))
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


def page(address: str, path: str) -> str:
    """The text of a page of the worker at this address, such as `/metrics`. `/readyz` is a page in any state.

    Raises HaltError if the worker does not answer with the page, ValueError for an address that is not http:// or
    https://.
    """
    status, body = _ask("GET", address, path, {})
    if status not in (200, 503):
        raise HaltError(f"{without_credentials(address)}{path} answers {status}: {_line(body)}")
    return body.decode(errors="replace")


def _ask(method: str, address: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    parts = split_address(address)
    shown = without_credentials(address)
    path = parts.path.rstrip("/").removesuffix(path) + path
    connection = _CONNECTIONS[parts.scheme](parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body=b"" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST_BYTES)
    except OSError as error:
        raise HaltError(f"no worker listens at {shown} ({error.strerror or error})") from None
    except UnicodeError as error:
        raise HaltError(f"{shown} cannot be asked: {error}") from None
    except http.client.HTTPException as error:
        raise HaltError(f"{shown} does not speak HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


def _line(body: bytes) -> str:
    """The first 200 bytes of an answer, as one printable line."""
    text = " ".join(body[:200].decode(errors="replace").split())
    return text if text.isprintable() else repr(text)
