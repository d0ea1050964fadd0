"""A real Prometheus of this machine, which scrapes workers and evaluates alerts. We do not bring it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from journeys.errors import SetupError
from journeys_sandbox.stack.local_http import answers
from journeys_sandbox.stack.processes import GuardedProcess, Workplace, free_ports, wait_until

_READY_S = 30.0


def is_installed() -> bool:
    """Whether a `prometheus` is on the PATH."""
    return shutil.which("prometheus") is not None


class Prometheus:
    """One Prometheus as a context manager. It scrapes the targets (`host:port`) as the job `journeys`.

    It evaluates the alerts of `rules` as often as it scrapes. Port 0 is any free one.
    """

    def __init__(
        self, targets: Sequence[str], *, port: int = 0, rules: Path | None = None, interval_s: int = 5
    ) -> None:
        self._config = {
            "global": {"scrape_interval": f"{interval_s}s", "evaluation_interval": f"{interval_s}s"},
            "scrape_configs": [{"job_name": "journeys", "static_configs": [{"targets": list(targets)}]}],
            "rule_files": [str(rules.resolve())] if rules else [],
        }
        self._port = port
        self._place: Workplace
        self._process: GuardedProcess

    @property
    def url(self) -> str:
        """The address of its pages and of its HTTP API, known while it runs."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start, and wait until it answers. Raises SetupError if it is not installed, ends or does not answer."""
        program = shutil.which("prometheus")
        if program is None:
            raise SetupError("Prometheus is not installed", remedy="Debian, Ubuntu: sudo apt install prometheus")
        self._port = self._port or free_ports(1)[0]
        self._place = Workplace("prometheus")
        config = self._place.path / "prometheus.yml"
        config.write_text(json.dumps(self._config), encoding="utf-8")  # JSON is YAML, too
        options = (
            f"--config.file={config}",
            f"--storage.tsdb.path={self._place.path / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        )
        self._process = GuardedProcess(self._place, [program, *options])
        try:
            wait_until(lambda: answers(f"{self.url}/-/ready"), self._process, self._place, "Prometheus", _READY_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._place.close()
