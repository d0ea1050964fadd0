"""The faults that --fix mends."""

from __future__ import annotations

from journeys.doctor import fixes
from journeys.doctor.checks import SUBJECTS, TOPICS
from journeys.doctor.report import Finding, Report, Result, fail, ok, skipped
from journeys.doctor.topics import COPIES
from journeys.producer.schemas import REMEDY


def report(topics: Finding, subjects: Finding) -> Report:
    """A report on the two checks."""
    found = {TOPICS: topics, SUBJECTS: subjects}
    results = [Result(id=name, title=name, finding=finding, took_s=0.0) for name, finding in found.items()]
    return Report(at="", results=results)


def test_only_missing_topics_and_schemas_are_mended() -> None:
    """Hidden topics, an unreachable broker and incompatible schemas are not."""
    missing = report(fail("missing", values={COPIES: 3}), fail("missing", REMEDY))
    assert (fixes.copies_of_missing_topics(missing), fixes.has_missing_schemas(missing)) == (3, True)
    for other in (
        report(ok("all"), ok("all")),
        report(fail("hidden"), fail("other team")),
        report(skipped(""), skipped("")),
    ):
        assert (fixes.copies_of_missing_topics(other), fixes.has_missing_schemas(other)) == (None, False)
