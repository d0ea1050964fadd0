"""All that a worker needs on one machine, and on request the workers themselves and a Prometheus that watches them."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.demo.screen import Screen
from journeys_sandbox.stack.children import Child, set_up
from journeys_sandbox.stack.processes import free_ports, require_free
from journeys_sandbox.stack.prometheus import Prometheus, is_installed
from journeys_sandbox.stack.stack import Stack

STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
"""Signals that end the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parts of a sandbox. Port 0 is any free one."""

    kafka_port: int = 0
    registry_port: int = 0
    api_port: int = 0
    workers: int = 0
    """How many workers to start."""
    ops_port: int = 0
    """Port of the first worker's ops server. The others have the next ones."""
    rules: Path | None = None
    """Alerts for a Prometheus that scrapes the workers. None: no Prometheus."""
    prometheus_port: int = 0
    interval_s: int = 5
    """Seconds between two scrapes."""

    def require_free_ports(self) -> None:
        """Raise SetupError if a port of the plan is taken."""
        ports = [self.kafka_port, self.registry_port, self.api_port]
        ports += [self.ops_port + number for number in range(self.workers) if self.ops_port]
        ports += [self.prometheus_port] if self.rules else []
        for port in ports:
            require_free(port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A running sandbox."""

    environment: Mapping[str, str]
    """The settings of a worker."""
    api: StandInThread
    workers: tuple[str, ...]
    """The address of each worker's ops server."""
    prometheus: str | None
    """The address of Prometheus. None if there is none."""


@contextmanager
def running(plan: Plan, screen: Screen) -> Iterator[Sandbox]:
    """Start all parts, and end them in reverse order. Raises SetupError if one does not start."""
    with ExitStack() as parts:
        with screen.step("Apache Kafka and a schema registry") as step:
            stack = Stack(kafka_port=plan.kafka_port, registry_port=plan.registry_port, progress=step.update)
            parts.enter_context(stack)
        # The stand-in's thread leaves these signals to the main thread. The workers' processes must not inherit that.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        api = parts.enter_context(StandInThread(port=plan.api_port))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        environment = {**stack.environment, "JOURNEYS_API__BASE_URL": api.url}
        workers = _workers(plan, environment, parts, screen) if plan.workers else ()
        yield Sandbox(
            environment=environment, api=api, workers=workers, prometheus=_prometheus(plan, workers, parts, screen)
        )


def _workers(plan: Plan, environment: Mapping[str, str], parts: ExitStack, screen: Screen) -> tuple[str, ...]:
    """Start the workers, with the topics and schemas that they need. Returns the addresses of their ops servers."""
    with screen.step("topics and schemas") as step:
        step.result = set_up(environment)
    count = plan.workers
    ports = range(plan.ops_port, plan.ops_port + count) if plan.ops_port else free_ports(count)
    with screen.step(f"{count} workers join the consumer group"):
        started = [
            parts.enter_context(
                Child(f"worker-{number}", "journeys", "run", settings={**environment, "JOURNEYS_OPS__PORT": str(port)})
            )
            for number, port in enumerate(ports, start=1)
        ]
        for worker in started:
            worker.until_joined()
    return tuple(f"http://127.0.0.1:{port}" for port in ports)


def _prometheus(plan: Plan, workers: tuple[str, ...], parts: ExitStack, screen: Screen) -> str | None:
    if plan.rules is None:
        return None
    if not is_installed():
        screen.say("Prometheus is not installed, so it is left out. Debian, Ubuntu: sudo apt install prometheus")
        return None
    targets = [address.removeprefix("http://") for address in workers]
    with screen.step("Prometheus"):
        prometheus = Prometheus(targets, port=plan.prometheus_port, rules=plan.rules, interval_s=plan.interval_s)
        return parts.enter_context(prometheus).url
