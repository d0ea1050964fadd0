"""Secrets in settings, log fields and error texts."""

from __future__ import annotations

import pytest

from journeys.redact import names_secret, without_credentials


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "ssl.key.passphrase",
        "api_key",
        "api-key",
        "ApiKey",
        "Authorization",
        "set-cookie",
        "client_secret",
        "access_token",
        "basic.auth.user.info",
        "basic_auth_user_info",
        "ssl.key.pem",
        "sasl.jaas.config",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
    ],
)
def test_secret_names_are_recognized(name: str) -> None:
    """Names of librdkafka, of HTTP headers and of our settings, in any case."""
    assert names_secret(name)


@pytest.mark.parametrize("name", ["key", "order_id", "bootstrap.servers", "ssl.ca.location", "group.id", "KEY_FIELD"])
def test_ordinary_names_are_shown(name: str) -> None:
    """Hiding too much would make logs and `config show` useless."""
    assert not names_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pass@host:8081/path", "http://***@host:8081/path"),
        ("https://user@host", "https://***@host"),
        ("http://user:p@ss@host/x", "http://***@host/x"),
        ("from http://a:b@one to http://c:d@two", "from http://***@one to http://***@two"),
        ("http://host/path@2", "http://host/path@2"),
        ("mail to someone@example.com", "mail to someone@example.com"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_the_user_info_of_urls_is_hidden(text: str, shown: str) -> None:
    """Everything up to the last @ before the path is user info, even a password with an @."""
    assert without_credentials(text) == shown


def test_an_oauth_config_that_librdkafka_quotes_is_hidden() -> None:
    """The error of librdkafka repeats the rest of a bad sasl.oauthbearer.config in its error, over several lines."""
    text = "Unrecognized sasl.oauthbearer.config beginning at: scope=x\nsecret=y"
    assert without_credentials(text) == "Unrecognized sasl.oauthbearer.config beginning at: ***"
