"""Asks a real Prometheus, over its HTTP API."""

from __future__ import annotations

from typing import Any, TypeAlias

import httpx

Series: TypeAlias = dict[str, Any]
"""One line: its labels as `metric`, and `values`, pairs of a time in seconds since the epoch and a number as text."""


class PrometheusApi:
    """The Prometheus at this address. Each answer must be a success without warnings."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def now(self, expression: str) -> list[Series]:
        """The series of an expression at this moment. Each has one pair, as `value`."""
        return self._ask("query", query=expression)["result"]  # type: ignore[no-any-return]

    def over(self, expression: str, start: float, end: float, step_s: float) -> list[Series]:
        """The series of an expression between two times, in seconds since the epoch."""
        return self._ask("query_range", query=expression, start=start, end=end, step=step_s)["result"]  # type: ignore[no-any-return]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, each with the `health` of its last evaluation."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, path: str, **parameters: str | float) -> dict[str, Any]:
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        assert not answer.get("warnings"), f"{parameters}: {answer['warnings']}"
        return answer["data"]  # type: ignore[no-any-return]
