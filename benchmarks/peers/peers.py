"""The table of peers: name, description, promise, build and start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
BUILT: Final = ROOT / ".cache" / "peers"
_PATIENCE_S: Final = 1200.0
"""Seconds for a build. The first build of a peer downloads its dependencies."""


class NotBuiltError(Exception):
    """A peer cannot be built on this machine. The message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way of doing the worker's task."""

    name: str
    title: str
    """A short description."""
    guarantee: str
    """The delivery guarantee of its documentation."""
    orders: int
    """The number of orders that it handles in ten to twenty seconds."""
    build: Callable[[], Sequence[str]]
    """Builds it and returns its command. Raises NotBuiltError."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _worker() -> Sequence[str]:
    return [sys.executable, "-m", "journeys", "run"]


def _python(module: str, requirements: str = "requirements.txt") -> Callable[[], Sequence[str]]:
    """A peer in Python, with a virtual environment of its own."""

    def build() -> Sequence[str]:
        python = _environment(HERE / requirements)
        return [str(python), "-m", f"benchmarks.peers.{module}"]

    return build


def _environment(requirements: Path) -> Path:
    """The interpreter of a virtual environment with exactly these packages. Rebuilt after a change."""
    place = BUILT / requirements.stem.replace("requirements", "venv")
    stamp, wanted = place / "requirements.txt", requirements.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        python = str(place / "bin" / "python")
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(place)])
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
        _run([*uv, "--python", python, "--requirement", str(requirements)])
        stamp.write_text(wanted, encoding="utf-8")
    return place / "bin" / "python"


def _script(name: str) -> Callable[[], Sequence[str]]:
    """A peer with a build script, which creates an executable `run`."""

    def build() -> Sequence[str]:
        script, place = HERE / name / "build.sh", BUILT / name
        if not script.exists():
            raise NotBuiltError(f"there is no {script.relative_to(ROOT)}")
        place.mkdir(parents=True, exist_ok=True)
        _run([str(script), str(place)])
        return [str(place / "run")]

    return build


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuiltError(str(error)) from error
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise NotBuiltError(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")


WORKER: Final = "journeys"
TRANSACTIONAL: Final = "parallel-consumer"
BENTO: Final = "bento"

PEERS: Final = (
    Peer(
        name=WORKER,
        title="this project, `journeys run`; also publishes a summary per order",
        guarantee="exactly once, an order whole or not at all",
        orders=12_000,
        build=_worker,
    ),
    Peer(
        name=TRANSACTIONAL,
        title="Confluent Parallel Consumer (Java), transactional",
        guarantee="exactly once",
        orders=12_000,
        build=_script("parallel_consumer"),
        environment={"PEER_MODE": "transactional"},
    ),
    Peer(
        name="parallel-consumer-async",
        title="Confluent Parallel Consumer (Java), asynchronous commits",
        guarantee="at least once",
        orders=12_000,
        build=_script("parallel_consumer"),
        environment={"PEER_MODE": "async"},
    ),
    Peer(
        name=BENTO,
        title="Bento 1.20.0 (Go)",
        guarantee="at least once",
        orders=2_000,
        build=_script("bento"),
    ),
    Peer(
        name="script",
        title="a plain script: confluent-kafka and httpx",
        guarantee="at least once",
        orders=400,
        build=_python("script"),
    ),
    Peer(
        name="asyncio",
        title="asyncio and httpx, a batch at a time",
        guarantee="at least once",
        orders=1_500,
        build=_python("asyncio_httpx"),
    ),
    Peer(
        name="faststream",
        title="FastStream (confluent), `max_workers`",
        guarantee="at most once",
        orders=1_500,
        build=_python("faststream_app"),
        environment={"PEER_MODE": "workers"},
    ),
    Peer(
        name="faststream-batch",
        title="FastStream (confluent), `batch` and `NACK_ON_ERROR`",
        guarantee="at least once",
        orders=1_500,
        build=_python("faststream_app"),
        environment={"PEER_MODE": "batch"},
    ),
    Peer(
        name="quix",
        title="Quix Streams, `exactly-once`",
        guarantee="exactly once",
        orders=400,
        build=_python("quix_app", "requirements-quix.txt"),
    ),
)
