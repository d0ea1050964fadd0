"""Each module has a test file of its name, at the same place below tests/unit; each test file has its module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Final

ROOT: Final = Path(__file__).parents[2]
UNIT: Final = ROOT / "tests" / "unit"
PACKAGE: Final = ROOT / "services" / "journeys"
SANDBOX: Final = ROOT / "services" / "journeys_sandbox"

TESTED_ELSEWHERE: Final = {
    "cli/demo.py": "cli/test_app.py; tests/broker/test_demo.py",
    "cli/dead_letters/app.py": "tests/broker/test_dead_letters.py: every command on a real topic",
    "cli/dead_letters/list.py": "the same",
    "cli/dead_letters/replay.py": "the same",
    "cli/dead_letters/show.py": "the same",
    "dead_letters/scan.py": "values without a decision",
    "dead_letters/topic.py": "tests/broker/test_dead_letters.py: a door to Kafka",
    "doctor/checks.py": "tests/broker/test_doctor.py: every check on a real broker",
    "doctor/facts.py": "the same: the door to Kafka, the registry and the API",
    "kafka/inspector.py": "the same: a door to Kafka",
    "producer/encoding/native.pyx": "tests/property/test_body.py and test_coerce.py hold it to fastavro",
    "tools/commit.py": "tests/broker/test_commands.py: a door to Kafka",
    "tools/lag/measure.py": "the same",
    "tools/show/find.py": "the same",
    "tools/tail/records.py": "the same",
    "worker/kafka_thread/pace.py": "values without a decision",
    "worker/service.py": "tests/broker: the whole process",
}
"""Modules without a test file of their name, and where their test is."""

WITHOUT_A_MODULE: Final = {
    "test_makefile.py": "the checks of `make setup`",
    "test_mirror.py": "this file",
    "test_monitoring.py": "the dashboard and the alerts in deploy/monitoring",
    "test_names.py": "names in documents: settings, metrics, log events, links",
    "test_runbook.py": "the states of docs/runbook.md, shown by all hooks of a worker together",
    "cli/test_early_signals.py": "the first second of a whole worker process",
    "fetcher/test_fetch_against_stand_in.py": "the fetcher and the HTTP client together, on the stand-in API",
}
"""Test files about more than one module."""


def modules(package: Path) -> Iterable[PurePath]:
    """The modules of a package, except `__init__` and `__main__`."""
    found = [*package.rglob("*.py"), *package.rglob("*.pyx")]
    return [path.relative_to(package) for path in found if not path.stem.startswith("__")]


def mirrored(module: PurePath) -> PurePath:
    """The test file of a module, below tests/unit."""
    return module.with_name(f"test_{module.stem}.py")


def test_each_module_has_a_test_file_of_its_name() -> None:
    """`services/journeys/a/b.py` is tested by `tests/unit/a/test_b.py`."""
    missing = {str(module) for module in modules(PACKAGE) if not (UNIT / mirrored(module)).exists()}
    assert missing - TESTED_ELSEWHERE.keys() == set()
    assert TESTED_ELSEWHERE.keys() - missing == set(), "these modules have a test file by now, or are gone"


def test_each_test_file_has_a_module_of_its_name() -> None:
    """A test file without its module was left behind when the module was renamed."""
    expected = {mirrored(module) for module in modules(PACKAGE)}
    expected |= {PurePath("sandbox") / mirrored(module) for module in modules(SANDBOX)}
    found = {path.relative_to(UNIT) for path in UNIT.rglob("test_*.py")}
    assert {str(path) for path in found - expected} == set(WITHOUT_A_MODULE)
