"""A real schema registry with a Confluent-compatible API, in memory."""

from __future__ import annotations

from typing import Self

from journeys_sandbox.stack.artifacts import Progress, registry_home
from journeys_sandbox.stack.local_http import answers
from journeys_sandbox.stack.processes import JavaProcess, Workplace, free_ports, wait_until

_READY_S = 90.0
_JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")


class Registry:
    """One schema registry. Port 0 is any free one. Use it as a context manager."""

    def __init__(self, *, port: int = 0, progress: Progress | None = None) -> None:
        self._progress = progress
        self._place: Workplace | None = None
        self._process: JavaProcess | None = None
        self._port = port

    @property
    def url(self) -> str:
        """The base URL of the Confluent-compatible API, known from `launch` on."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    @property
    def pid(self) -> int | None:
        """The JVM's process id. None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start and wait until it answers. Raises SetupError after 90 s without an answer."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Download missing files and start the process."""
        home = registry_home(self._progress)
        self._place = Workplace("registry")
        free, management = free_ports(2)
        self._port = self._port or free
        options = (
            f"-Dquarkus.http.port={self._port}",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.management.port={management}",  # 9000 otherwise: a second registry would not start
            "-Dquarkus.management.host=127.0.0.1",
            "-Dapicurio.storage.kind=sql",
            "-Dapicurio.storage.sql.kind=h2",
            f"-Dapicurio.datasource.url=jdbc:h2:mem:registry{self._port}",
            "-Dquarkus.log.level=WARN",
        )
        self._process = JavaProcess(self._place, [*_JVM, *options, "-jar", str(home / "quarkus-run.jar")])

    def wait_ready(self) -> None:
        """Wait until the registry lists its subjects. Raises SetupError as `start` does."""
        if self._process is None or self._place is None:
            raise RuntimeError("launch the registry first")

        wait_until(lambda: answers(f"{self.url}/subjects"), self._process, self._place, "the schema registry", _READY_S)

    def stop(self) -> None:
        """Stop it and drop its data. Harmless while it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._place is not None:
            self._place.close()
            self._place = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
