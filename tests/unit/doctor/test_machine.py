"""Rules about the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from journeys.doctor import machine
from journeys.doctor.report import Status
from journeys.settings import load

MIB = 2**20


@pytest.mark.parametrize(
    ("limit_mib", "status"),
    [(None, Status.OK), (512, Status.OK), (188, Status.OK), (187, Status.WARN), (150, Status.WARN), (149, Status.FAIL)],
)
def test_memory_limit_is_compared_with_the_need_of_a_worker(limit_mib: int | None, status: Status) -> None:
    """With 40 MiB in hand a worker takes about 150 MiB."""
    finding = machine.memory(load(None, {}), None if limit_mib is None else limit_mib * MIB)
    assert finding.status is status
    assert finding.values["need_bytes"] == 150 * MIB


@pytest.mark.parametrize(("limit_mib", "remedy"), [(140, "MAX_BYTES_IN_HAND=9MiB"), (64, "raise the limit to 188 MiB")])
def test_remedy_for_too_little_memory_is_enough(limit_mib: int, remedy: str) -> None:
    """Either limit may be changed, if the container's is not too low for any worker."""
    finding = machine.memory(load(None, {}), limit_mib * MIB)
    assert finding.remedy is not None
    assert finding.remedy.endswith(remedy)
    mended = load(None, {"JOURNEYS_ORDERS__MAX_BYTES_IN_HAND": "9MiB"})
    assert machine.memory(mended, 140 * MIB).status is Status.OK
    assert machine.memory(load(None, {}), 188 * MIB).status is Status.OK


@pytest.mark.parametrize(
    ("language", "native", "status"),
    [("c", "true", Status.OK), ("python", "true", Status.WARN), ("python", "false", Status.OK)],
)
def test_slow_encoder_is_a_warning_unless_it_is_wanted(
    language: Literal["c", "python"], native: str, status: Status
) -> None:
    """The settings may turn the encoder in C off."""
    assert machine.encoder(load(None, {"JOURNEYS_PUBLISH__NATIVE": native}), language).status is status


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"sys/fs/cgroup/memory.max": "1000"}, 1000),
        ("0::/\n", {"sys/fs/cgroup/memory.max": "max"}, None),
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/memory.max": "max", "sys/fs/cgroup/a/memory.max": "500"}, 500),
        ("0::/not/seen/here\n", {"sys/fs/cgroup/memory.max": "700"}, 700),
        ("4:memory:/x\n0::/\n", {"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "300"}, 300),
        ("4:memory:/\n", {"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**63 - 4096)}, None),
        ("3:cpu:/\n", {"sys/fs/cgroup/memory.max": "1"}, None),
        ("", {}, None),
    ],
)
def test_lowest_memory_limit_of_the_control_groups_counts(
    tmp_path: Path, groups: str, files: dict[str, str], limit: int | None
) -> None:
    """In both versions of control groups, also those that enclose the one of the process."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert machine.memory_limit_bytes(tmp_path) == limit
