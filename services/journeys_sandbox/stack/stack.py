"""Broker and registry, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from journeys_sandbox.stack.artifacts import Progress
from journeys_sandbox.stack.kafka import Broker
from journeys_sandbox.stack.registry import Registry


class Stack:
    """A broker and a registry that start together and end with the `with` block, or with this process.

    An exception and Ctrl-C leave through the `with` block; when the process is ended in any other way, SIGKILL
    included, each part's guard (see `guard`) kills its part and removes its directory.
    """

    def __init__(self, *, config: Mapping[str, str] | None = None, progress: Progress | None = None) -> None:
        self.broker = Broker(config=config, progress=progress)
        self.registry = Registry(progress=progress)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point a worker here."""
        return {
            "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "JOURNEYS_REGISTRY__URL": self.registry.url,
        }

    def start(self) -> None:
        """Start both and wait until both answer. Raises SetupError where one does not, and stops the other."""
        try:
            self.registry.launch()  # the slower one first
            self.broker.launch()
            self.broker.wait_ready()
            self.registry.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both and remove what they wrote."""
        try:
            self.broker.stop()
        finally:
            self.registry.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
