"""One broker and one registry for all processes of a test run (`pytest -n 4`), and brokers for one test."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from journeys_sandbox.stack.kafka import Broker
from journeys_sandbox.stack.registry import Registry
from journeys_sandbox.stack.stack import Stack

_STEADY: Final = {"broker.session.timeout.ms": "60000"}
"""A broker that is never restarted has no predecessor to wait for, and a busy machine must not fence it."""


def _start() -> Stack:
    return Stack(config=_STEADY)


@contextmanager
def shared_stack(directory: Path, start: Callable[[], Stack] = _start) -> Iterator[Stack]:
    """The stack of this test run; every process of the run gives the same `directory`. `start` makes it.

    The first process that asks starts the stack and, at its end, waits until the others have left. The others only
    join it. Two file locks order this: `start.lock` is held while a process starts or joins; `users.lock` is held
    shared by those who joined, and exclusively by the owner while it stops the stack. The system drops the locks of a
    process that ends, however it ends.
    """
    found = directory / "stack.json"
    with (directory / "start.lock").open("w") as starting, (directory / "users.lock").open("w") as users:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        if found.exists():
            fcntl.flock(starting, fcntl.LOCK_UN)
            yield _Joined(**json.loads(found.read_text()))
            return
        fcntl.flock(users, fcntl.LOCK_UN)
        with start() as stack:
            found.write_text(json.dumps(_addresses(stack)))
            fcntl.flock(starting, fcntl.LOCK_UN)
            try:
                yield stack
            finally:
                fcntl.flock(users, fcntl.LOCK_EX)
                found.unlink()


@contextmanager
def own_broker(registry: Registry, config: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A new broker, which the caller may stop, and a registry that runs already."""
    stack = Stack(config=config)
    stack.registry = registry
    with stack.broker:
        yield stack


def _addresses(stack: Stack) -> dict[str, str]:
    """The data that another process needs to join."""
    assert stack.broker._place is not None
    return {
        "bootstrap_servers": stack.broker.bootstrap_servers,
        "registry_url": stack.registry.url,
        "log": str(stack.broker._place.log),
    }


class _Joined(Stack):
    """The stack of another process: its addresses and its log, nothing to start or stop."""

    def __init__(self, *, bootstrap_servers: str, registry_url: str, log: str) -> None:
        super().__init__()
        self.broker = _JoinedBroker(bootstrap_servers, Path(log))
        self.registry = _JoinedRegistry(registry_url)


class _JoinedBroker(Broker):
    def __init__(self, bootstrap_servers: str, log: Path) -> None:
        super().__init__()
        self._bootstrap_servers = bootstrap_servers
        self._log = log

    @property
    def bootstrap_servers(self) -> str:
        return self._bootstrap_servers

    def tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-25:])


class _JoinedRegistry(Registry):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    @property
    def url(self) -> str:
        return self._url
