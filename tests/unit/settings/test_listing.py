"""Settings as people see them."""

from __future__ import annotations

from pathlib import Path

from journeys.redact import HIDDEN
from journeys.settings import load_with_sources
from journeys.settings.listing import rows_of


def test_rows_hide_secrets_and_name_the_source(tmp_path: Path) -> None:
    """The key and a password are hidden; the path of a secret's file is shown."""
    token = tmp_path / "token"
    token.write_text("secret")
    found = load_with_sources(
        None,
        {
            "JOURNEYS_API__KEY": "k1",
            "JOURNEYS_KAFKA__CONFIG": '{"sasl.password": "p1"}',
            "JOURNEYS_OPS__TOKEN_FILE": str(token),
        },
    )
    rows = {row.key: row for row in rows_of(found.settings, found.sources)}
    assert (rows["api.key"].value, rows["api.key"].source) == (HIDDEN, "env")
    assert rows["kafka.config"].value == {"sasl.password": HIDDEN}
    assert (rows["ops.token_file"].value, rows["ops.port"].source) == (str(token), "default")
