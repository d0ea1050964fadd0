"""The result of `journeys doctor`: a finding for each check, and all of them as JSON. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import journeys

VERSION: Final = 1
"""Version of the JSON. It grows when a field goes or changes its meaning; a new field leaves it."""
SCHEMA: Final = Path(__file__).with_name("report.schema.json")
"""The JSON Schema of `Report.as_json`."""

Scalar: TypeAlias = str | int | float | bool | None


class Status(StrEnum):
    """The judgement of a check."""

    OK = "ok"
    """Everything is as a worker needs it."""
    WARN = "warn"
    """A worker runs, but something should be changed."""
    FAIL = "fail"
    """A worker does not start, or does not do its work."""
    SKIPPED = "skipped"
    """The check could not look: another check failed, or a right is missing that a worker does not need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One of several things that a check looked at, such as a partition."""

    name: str
    values: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: `detail` says what was found, `remedy` what to do: commands or sentences, one a line."""

    status: Status
    detail: str
    remedy: str | None = None
    values: Mapping[str, Scalar] = field(default_factory=dict, kw_only=True)
    """The numbers of the detail, for programs."""
    items: Sequence[Item] = field(default=(), kw_only=True)


ok = partial(Finding, Status.OK)
warn = partial(Finding, Status.WARN)
fail = partial(Finding, Status.FAIL)
skipped = partial(Finding, Status.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finding, and its check. The id never changes its meaning."""

    id: str
    title: str
    finding: Finding
    took_s: float

    @property
    def status(self) -> Status:
        """The judgement."""
        return self.finding.status

    @property
    def remedies(self) -> list[str]:
        """What to do: commands or sentences."""
        return (self.finding.remedy or "").splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The results of all checks, in their order. `at` is the time in UTC (ISO 8601)."""

    at: str
    results: Sequence[Result]

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many checks ended with each status."""
        found = Counter(result.status for result in self.results)
        return {status: found[status] for status in Status}

    @property
    def status(self) -> Status:
        """The worst judgement: fail, warn or ok."""
        return next((each for each in (Status.FAIL, Status.WARN) if self.counts[each]), Status.OK)

    @property
    def problems(self) -> list[Result]:
        """The results that need an action."""
        return [result for result in self.results if result.status in (Status.WARN, Status.FAIL)]

    def of(self, check_id: str) -> Result:
        """The result of a check. Raises KeyError for an unknown id."""
        return {result.id: result for result in self.results}[check_id]

    def exit_code(self, *, strict: bool) -> int:
        """0, or 1 after a failed check; with `strict` also after a warning."""
        return int(self.status is Status.FAIL or (strict and self.status is Status.WARN))

    def as_json(self, *, only_problems: bool = False) -> dict[str, Any]:
        """The report as JSON values, as `report.schema.json` describes it; or only the checks that need an action."""
        return {
            "version": VERSION,
            "journeys": journeys.__version__,
            "at": self.at,
            "status": self.status.value,
            "counts": {status.value: count for status, count in self.counts.items()},
            "checks": [_check(result) for result in (self.problems if only_problems else self.results)],
        }


def _check(result: Result) -> dict[str, Any]:
    finding = result.finding
    return {
        "id": result.id,
        "title": result.title,
        "status": finding.status.value,
        "detail": finding.detail,
        "remedy": finding.remedy,
        "took_ms": round(result.took_s * 1000),
        "values": dict(finding.values),
        "items": [{"name": item.name, "values": dict(item.values)} for item in finding.items],
    }
