"""A call in a process of its own, for what is done once and imports much: its memory goes when it is done.

The registry's client brings half a cryptography library along: 17 MiB that a worker which looked its schema ids up by
itself would keep for as long as it runs. Begun first, the call also costs a start no time: this process goes on with
its own imports.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from journeys.errors import HaltError
from journeys.producer import registry
from journeys.worker.threads import in_daemon_thread

if TYPE_CHECKING:
    from journeys.settings import Settings

T = TypeVar("T")


def schema_ids(settings: Settings) -> Child[dict[str, int]]:
    """Look the schema ids up, as `registry.lookup` does."""
    place = settings.registry
    return Child(registry.lookup, place.url, place.config, settings.publish.topic_prefix)


class Child(Generic[T]):
    """Runs `call(*args)` in another Python from now on; `call` is a function of a module.

    Arguments go through a pipe, where no list of processes shows them. To be used as a context manager, which ends the
    process; it also ends where this one is killed, and the pipe with it.
    """

    def __init__(self, call: Callable[..., T], *args: object) -> None:
        # -P: nothing in the working directory is taken for a module.
        command = [sys.executable, "-P", "-m", __name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
        assert self._process.stdin is not None  # noqa: S101 - pipes were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._lifeline, self._answer = self._process.stdin, self._process.stdout
        self._what = call.__name__
        with suppress(BrokenPipeError):  # it has ended: `result` says so
            self._lifeline.write(pickle.dumps((call, args)))
            self._lifeline.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._answer.close()
        with suppress(BrokenPipeError):
            self._lifeline.close()

    async def result(self) -> T:
        """What the call returned; to be asked for once.

        Raises what it raised, and HaltError where the process ended without an answer.
        """
        told = await in_daemon_thread(self._answer.read, name="child")
        if not told:
            code = self._process.wait()
            raise HaltError(f"the process for `{self._what}` ended without an answer (exit code {code})")
        error, result = pickle.loads(told)  # noqa: S301 - of our own making
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing more comes: it returns when the other end is closed
    os._exit(1)


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at a terminal is for the worker, which ends us
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not get into it
    call, args = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    error: Exception | None = None
    result: object = None
    try:
        result = call(*args)
    except Exception as raised:  # noqa: BLE001 - handed on to whoever waits
        error = raised
    with suppress(BrokenPipeError), os.fdopen(answer, "wb") as pipe:  # nobody waits any more
        pickle.dump((error, result), pipe)


if __name__ == "__main__":
    _main()
