"""The faults that `journeys doctor --fix` mends: missing topics and missing schemas. No I/O."""

from __future__ import annotations

from journeys.doctor.checks import SUBJECTS, TOPICS
from journeys.doctor.report import Report, Status
from journeys.doctor.topics import COPIES
from journeys.producer import schemas


def copies_of_missing_topics(report: Report) -> int | None:
    """The copies that missing topics should get; None if none is missing, or if it is not known."""
    copies = report.of(TOPICS).finding.values.get(COPIES)
    return copies if isinstance(copies, int) else None


def has_missing_schemas(report: Report) -> bool:
    """Whether schemas are missing that `journeys schemas register` may register."""
    finding = report.of(SUBJECTS).finding
    return finding.status is Status.FAIL and finding.remedy == schemas.REMEDY
