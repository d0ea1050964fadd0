"""The worker through a few hundred seeds; `make simulate SEEDS=10000` runs as many as one likes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.defects import DEFECTS

ROOT = Path(__file__).parents[2]


def simulation(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own: a seed is the same run only where hashes are."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tests.simulation", *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'services'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_no_seed_violates_an_invariant() -> None:
    """Each order is published exactly once in every simulated run, and the work goes on once the disasters stop."""
    ran = simulation("--seeds", 200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "200 seeds" in ran.stdout


def test_one_seed_gives_the_same_run_each_time() -> None:
    """Two runs of a seed tell the same story to the last line, times included, so a failure can be replayed."""
    first, again = (simulation("--seed", 3).stdout for _ in range(2))
    assert first.count("\n") > 30
    assert first == again


def test_a_seed_does_not_depend_on_earlier_runs() -> None:
    """No memory address and nothing left by an earlier run decides anything."""
    one, two = (simulation("--seeds", 24, "--jobs", jobs).stdout for jobs in (1, 2))
    counts = one[one.rindex(" violations") :]  # a slow run also prints progress, with violations so far
    assert " orders published" in counts
    assert counts == two[two.rindex(" violations") :]


def test_a_violation_names_the_command_that_replays_it() -> None:
    """The report of a violation ends with its story and the command to replay it."""
    ran = simulation("--seeds", 20, "--defect", "watermark-ahead")
    assert ran.returncode == 1
    found = re.search(r"replay: python -m tests\.simulation --seed (\d+) --defect watermark-ahead", ran.stdout)
    assert found is not None
    story = simulation("--seed", found[1], "--defect", "watermark-ahead").stdout
    assert re.search(r"^ +[\d.]+  AUDIT +.* is committed, and nothing of it is visible: skipped$", story, re.MULTILINE)


@pytest.fixture(scope="module")
def proof() -> str:
    """The report on every planted defect."""
    return simulation("--prove").stdout


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS)
def test_the_simulation_finds_each_planted_defect(proof: str, defect: str) -> None:
    """Within as many seeds as the list says, or the simulation has a hole. A TypeError is the defect's own fault."""
    found = re.search(rf"^{defect} +.*\n +seed \d+: (.*)", proof, re.MULTILINE)
    assert found, proof
    assert "TypeError" not in found[1]
