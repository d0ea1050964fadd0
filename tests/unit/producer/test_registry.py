"""The errors of a registry that cannot be asked."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from journeys.errors import SetupError
from journeys.producer import registry


def test_a_registry_that_is_down_is_one_clear_line() -> None:
    """The address is named, its credentials are not."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(SetupError) as failed:
            registry.lookup(f"http://someone:hidden@127.0.0.1:{port}", {"max.retries": 0}, "journey.")
    said = f"the schema registry at http://***@127.0.0.1:{port} cannot be asked: it refuses connections; does it run, "
    assert str(failed.value).startswith(said)


def test_an_unknown_setting_of_the_client_is_a_setup_error() -> None:
    """A refusal of the registry's client leaves as an error of our tree."""
    with pytest.raises(SetupError):
        registry.check("http://127.0.0.1:1", {"no.such.key": 1}, "journey.")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"no.such.key": 1}, "JOURNEYS_REGISTRY__CONFIG is wrong: Unrecognized properties: no.such.key"),
        (
            {"basic.auth.credentials.source": "USER_INFO", "basic.auth.user.info": "me:s3cret"},
            "Unrecognized properties: basic.auth.credentials.source; leave basic.auth.credentials.source out",
        ),
        ({"ssl.ca.location": "/no/such.pem"}, "a file that cannot be read: ssl.ca.location: /no/such.pem"),
        ({"ssl.ca.location": os.devnull}, "a file that JOURNEYS_REGISTRY__CONFIG names is not usable"),
    ],
)
def test_wrong_settings_of_the_client_are_named(config: dict[str, str | int], reason: str) -> None:
    """The error names the property or the file, and never a password."""
    with pytest.raises(SetupError) as refused:
        registry.check("https://127.0.0.1:1", config, "journey.")
    assert reason in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_unknown_host_of_the_registry_is_named() -> None:
    """The error doubts the address, not the registry."""
    with pytest.raises(SetupError, match="its host name is not known"):
        registry.check("http://host.invalid", {"max.retries": 0}, "journey.")


class Stub(HTTPServer):
    """A registry that answers everything alike."""

    def __init__(self, status: int, body: str, login: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = status, body
        self.login = login and f"Basic {b64encode(login.encode()).decode()}"

    def handle_error(self, *_: object) -> None:
        """A client that breaks off the TLS handshake is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        is_welcome = self.headers["Authorization"] == self.server.login
        self.send_response(self.server.status if is_welcome else 401)
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing."""


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a registry that wants TLS and the login `me:s3cret`, and the certificate of its authority."""
    issued, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.issue_cert("127.0.0.1").configure_cert(context)
    authority = tmp_path / "authority.pem"
    issued.cert_pem.write_to_path(authority)
    with Stub(200, '{"schema": "\\"long\\""}', login="me:s3cret") as stub:
        stub.socket = context.wrap_socket(stub.socket, server_side=True)
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{stub.server_port}", authority
        stub.shutdown()
        thread.join()


def test_a_registry_with_login_and_own_authority_answers(secured: tuple[str, Path]) -> None:
    """`basic.auth.user.info` logs in, and `ssl.ca.location` names the authority of the certificate."""
    url, authority = secured
    config = {"basic.auth.user.info": "me:s3cret", "ssl.ca.location": str(authority), "max.retries": 0}
    assert registry.schema_text(url, config, 5) == '"long"'
    with pytest.raises(SetupError, match=r"does not accept our credentials \(HTTP 401\)"):
        registry.schema_text(url, {**config, "basic.auth.user.info": "me:wrong"}, 5)
    del config["ssl.ca.location"]
    with pytest.raises(SetupError, match=r"cannot be asked: its certificate is not trusted \(unable to get local"):
        registry.schema_text(url, config, 5)


def text_from(status: int, body: str) -> str:
    """The result of such an answer to the question for a schema."""
    with Stub(status, body) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            return registry.schema_text(f"http://127.0.0.1:{stub.server_port}", {"max.retries": 0}, 5)
        finally:
            stub.shutdown()
            thread.join()


def test_a_schema_comes_by_its_id() -> None:
    """As text."""
    assert text_from(200, '{"schema": "\\"long\\""}') == '"long"'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, '{"error_code": 40403, "message": "Schema not found"}'),
        (404, '{"error_code": 40402, "message": "Version not found"}'),
        (400, '{"error_code": 400, "message": "not an id"}'),
        (422, '{"error_code": 42201, "message": "Invalid schema"}'),
        (200, "{}"),
    ],
)
def test_a_registry_that_refuses_an_id_does_not_know_it(status: int, body: str) -> None:
    """To ask again would bring the same answer, whatever its code."""
    with pytest.raises(ValueError, match="knows no schema 5"):
        text_from(status, body)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_registry_that_may_yet_answer_is_a_setup_error(status: int) -> None:
    """Nothing is known of the id then."""
    with pytest.raises(SetupError, match=f"HTTP {status}"):
        text_from(status, "{}")


def test_a_404_that_is_not_the_registrys_settles_nothing() -> None:
    """A proxy answers so while the registry behind it is away: an outage makes no dead letter."""
    with pytest.raises(SetupError, match="answers 404"):
        text_from(404, "<html>")


def test_an_answer_that_is_not_json_doubts_the_address() -> None:
    """A web server that is no registry answers so."""
    with pytest.raises(SetupError, match="its answer is not JSON; is JOURNEYS_REGISTRY__URL right"):
        text_from(200, "<html>")
