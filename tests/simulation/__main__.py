"""`python -m tests.simulation --seeds 10000`: many runs, on every core; or one seed with its story.

--seeds N        run so many seeds, from --first on
--seed N         run one seed and print what happened
--defect NAME    with this deliberate defect switched on (see defects.py); `--defects` lists them
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from multiprocessing import Pool
from typing import NoReturn

from tests.simulation.defects import DEFECTS
from tests.simulation.world import Outcome, simulate

_CHUNK = 10


def main() -> int:
    """0 where no invariant was violated."""
    _same_hashes()
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="The worker in virtual time.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one, and tell its story")
    parser.add_argument("--defect", choices=sorted(DEFECTS), help="switch a deliberate defect on")
    parser.add_argument("--prove", action="store_true", help="find every deliberate defect")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    arguments = parser.parse_args()
    if arguments.prove:
        return _prove(arguments.jobs)
    if arguments.seed is not None:
        return _tell(run(arguments.seed, defect=arguments.defect, deaf=False))
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    return _run_all(seeds, arguments.jobs, arguments.defect)


def run(seed: int, *, defect: str | None = None, deaf: bool = True) -> Outcome:
    """One seed."""
    return simulate(seed, parts=DEFECTS[defect].parts() if defect else None, deaf=deaf)


def _run_all(seeds: range, jobs: int, defect: str | None) -> int:
    began = shown = time.monotonic()
    done, violations = 0, 0
    totals: Counter[str] = Counter()
    with ExitStack() as stack:
        for outcome in _outcomes(stack, partial(run, defect=defect), seeds, jobs):
            done += 1
            totals.update(outcome.counts)
            totals["virtual seconds"] += int(outcome.virtual)
            if outcome.violation is not None:
                violations += 1
                again = f" --defect {defect}" if defect else ""
                _say(f"\nseed {outcome.seed}: {outcome.violation}")
                _say(f"    replay: python -m tests.simulation --seed {outcome.seed}{again}")
            if time.monotonic() - shown > (1 if sys.stdout.isatty() else 30):
                shown = time.monotonic()
                _say(f"\r{done} of {len(seeds)} seeds, {done / (shown - began):.0f}/s, {violations} violations", end="")
    seconds = time.monotonic() - began
    _say(f"\r{done} seeds in {seconds:.0f} s ({done / seconds:.0f}/s): {violations} violations")
    for what, times in sorted(totals.items()):
        _say(f"{times:12,} {what}")
    return 1 if violations else 0


def _outcomes(stack: ExitStack, run_one: Callable[[int], Outcome], seeds: range, jobs: int) -> Iterable[Outcome]:
    """The outcomes as they come. One job alone runs in this process, where coverage can measure it."""
    if jobs == 1:
        _collect_rarely()
        return map(run_one, seeds)
    pool = stack.enter_context(Pool(min(jobs, -(-len(seeds) // _CHUNK)), initializer=_collect_rarely))
    return pool.imap_unordered(run_one, seeds, chunksize=_CHUNK)


def _prove(jobs: int) -> int:
    missed = 0
    with Pool(jobs, initializer=_collect_rarely) as pool:
        for name, found in pool.imap(_find, DEFECTS):
            defect = DEFECTS[name]
            missed += found is None
            where = f"MISSED in {defect.within} seeds" if found is None else f"seed {found.seed}: {found.violation}"
            _say(f"{name:22} {defect.what}\n{'':22} {where[:120]}")
    _say(f"{len(DEFECTS) - missed} of {len(DEFECTS)} defects found")
    return 1 if missed else 0


def _find(name: str) -> tuple[str, Outcome | None]:
    """The first of its seeds that a defect does not survive."""
    defect = DEFECTS[name]
    outcomes = (run(seed, defect=name) for seed in range(defect.first, defect.first + defect.within))
    return name, next((outcome for outcome in outcomes if outcome.violation is not None), None)


def _tell(outcome: Outcome) -> int:
    for line in outcome.lines:
        _say(line)
    _say(f"seed {outcome.seed}: {outcome.violation or 'no invariant was violated'}")
    return 1 if outcome.violation else 0


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)  # noqa: T201 - what this command is for


def _same_hashes() -> None:
    """Sets of strings have one order only where hashes are not random: else no seed would replay."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        _again({**os.environ, "PYTHONHASHSEED": "0"})


def _again(environment: dict[str, str]) -> NoReturn:
    os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], environment)  # noqa: S606


def _collect_rarely() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


if __name__ == "__main__":
    sys.exit(main())
