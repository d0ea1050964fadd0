"""The environment of child processes."""

from __future__ import annotations

import pytest

from journeys_sandbox.stack.children import environment


def test_children_get_neither_our_settings_nor_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """They ask servers of this machine only, which a proxy does not know."""
    for name in ("JOURNEYS_KAFKA__GROUP_ID", "http_proxy", "HTTPS_PROXY", "no_proxy", "LOCALE"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    found = environment({"JOURNEYS_OPS__PORT": "0"})
    assert found.keys() & {"http_proxy", "HTTPS_PROXY", "no_proxy"} == set()
    assert {name for name in found if name.startswith("JOURNEYS_")} == {"JOURNEYS_OPS__PORT"}
    assert "LOCALE" in found
