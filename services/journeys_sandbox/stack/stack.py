"""A broker and a registry that start and stop together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from journeys_sandbox.stack.artifacts import Progress
from journeys_sandbox.stack.kafka import Broker
from journeys_sandbox.stack.registry import Registry


class Stack:
    """A broker and a registry that end with the `with` block, or with this process.

    If this process ends without leaving the `with` block (SIGKILL, for example), the guard of each part kills that part
    and removes its directory (see `guard`). Port 0 is any free one.
    """

    def __init__(
        self,
        *,
        kafka_port: int = 0,
        registry_port: int = 0,
        config: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.broker = Broker(port=kafka_port, config=config, progress=progress)
        self.registry = Registry(port=registry_port, progress=progress)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a worker that uses this stack."""
        return {
            "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "JOURNEYS_REGISTRY__URL": self.registry.url,
        }

    def start(self) -> None:
        """Start both and wait until both answer. If one does not, stops both and raises SetupError."""
        try:
            self.registry.launch()  # the slower one first
            self.broker.launch()
            self.broker.wait_ready()
            self.registry.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both and remove their data."""
        try:
            self.broker.stop()
        finally:
            self.registry.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
