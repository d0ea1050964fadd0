"""Requests to servers of this machine."""

from __future__ import annotations

import pytest

from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.stack.local_http import answers, read_json


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of the environment may be the company's, which does not know this machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with StandInThread() as api:
        assert answers(f"{api.url}/_stats")
        assert not answers(f"{api.url}/nowhere")
        assert read_json(f"{api.url}/_stats")["requests"] == 1
    assert not answers(f"{api.url}/_stats")
