"""Rules about this machine: the memory limit of the container, and the encoder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final, Literal

from journeys.doctor.report import Finding, fail, ok, warn
from journeys.settings import Settings
from journeys.settings.values import format_size

_MIB: Final = 2**20
_AT_REST_BYTES: Final = 100 * _MIB
"""Memory of a worker apart from its orders: 88 to 94 MiB measured (benchmarks/RESULTS.md)."""
_PER_BYTE: Final = 1.25
"""Memory for each byte in hand: a worker with 40 MiB in hand took 146 MiB."""
_MARGIN: Final = 1.25
"""A limit below this multiple of the need leaves too little for a journey that exceeds the budget by itself."""
_NO_LIMIT_BYTES: Final = 2**60
"""Version 1 of control groups shows a number of this size if there is no limit."""


def memory(settings: Settings, limit_bytes: int | None) -> Finding:
    """Compare the memory limit of this container (None: there is none) with the need of a worker."""
    in_hand = settings.orders.max_bytes_in_hand
    need = int(_AT_REST_BYTES + _PER_BYTE * in_hand)
    values = {"limit_bytes": limit_bytes, "need_bytes": need}
    needs = f"a worker takes about {_mib(need)} with JOURNEYS_ORDERS__MAX_BYTES_IN_HAND={format_size(in_hand)}"
    if limit_bytes is None:
        return ok(f"no limit; {needs}", values=values)
    found = f"the limit of this container is {_mib(limit_bytes)}; {needs}"
    enough = int(need * _MARGIN)
    remedy = f"raise the limit to {_mib(enough)}"
    most = int((limit_bytes / _MARGIN - _AT_REST_BYTES) / _PER_BYTE) // _MIB
    if most >= 1:
        remedy += f", or set JOURNEYS_ORDERS__MAX_BYTES_IN_HAND={most}MiB"
    if limit_bytes < need:
        return fail(f"{found}: the kernel would kill it", remedy, values=values)
    if limit_bytes < enough:
        return warn(f"{found}: a large journey may exceed that", remedy, values=values)
    return ok(found, values=values)


def encoder(settings: Settings, language: Literal["c", "python"]) -> Finding:
    """Whether events are encoded in C, if the settings want that."""
    values = {"language": language}
    if language == "c":
        return ok("events are encoded in C", values=values)
    if not settings.publish.native:
        return ok("events are encoded in Python, as JOURNEYS_PUBLISH__NATIVE=false says", values=values)
    return warn(
        "events are encoded in Python, which is slower: the encoder in C is not installed",
        "install journeys where a C compiler is, or from a wheel",
        values=values,
    )


def memory_limit_bytes(system: Path = Path("/")) -> int | None:
    """The lowest memory limit of this process's control groups, None without one. `system` is the root directory."""
    limits: list[int] = []
    for controllers, path in _groups(system):
        base, file = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
        # Inside a container, the path may be that of the host, which the container does not see: its own is the root.
        for each in {path, *path.parents}:
            text = _text(system / "sys/fs/cgroup" / base / str(each).lstrip("/") / file)
            if text.isdecimal() and int(text) < _NO_LIMIT_BYTES:
                limits.append(int(text))
    return min(limits, default=None)


def _groups(system: Path) -> list[tuple[str, PurePosixPath]]:
    """The control groups of this process that limit memory: (controllers, path); no controllers in version 2."""
    lines = [line.split(":", 2) for line in _text(system / "proc/self/cgroup").splitlines()]
    return [
        (line[1], PurePosixPath(line[2]))
        for line in lines
        if len(line) == 3 and (not line[1] or "memory" in line[1].split(","))
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.0f} MiB"
