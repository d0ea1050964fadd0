"""The report: its status, its exit code, its JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

import fastjsonschema
import pytest

from journeys.doctor.report import SCHEMA, Finding, Item, Report, Result, Status, fail, ok, skipped, warn


def report(*findings: Finding) -> Report:
    """A report on these findings."""
    results = [
        Result(id=f"group.check_{'abcdefgh'[number]}", title=f"check {number}", finding=finding, took_s=0.0123)
        for number, finding in enumerate(findings)
    ]
    return Report(at="2026-11-27T12:00:00Z", results=results)


@pytest.mark.parametrize(
    ("findings", "status", "code", "strict"),
    [
        ([ok("a")], Status.OK, 0, 0),
        ([ok("a"), skipped("b")], Status.OK, 0, 0),
        ([ok("a"), warn("b")], Status.WARN, 0, 1),
        ([warn("a"), fail("b"), ok("c")], Status.FAIL, 1, 1),
    ],
)
def test_exit_code_follows_the_worst_check(findings: Sequence[Finding], status: Status, code: int, strict: int) -> None:
    """A warning counts only with --strict, a skipped check never."""
    made = report(*findings)
    assert made.status is status
    assert (made.exit_code(strict=False), made.exit_code(strict=True)) == (code, strict)


def test_json_of_a_report_matches_its_schema() -> None:
    """With every status, with values and items, and for problems alone."""
    item = Item(name="journey.ads", values={"text": "a", "count": 1, "share": 0.5, "flag": True, "none": None})
    made = report(ok("a", values={"x": 1}, items=[item]), warn("b", "do this"), fail("c", "do\nthat"), skipped("d"))
    validate = fastjsonschema.compile(json.loads(SCHEMA.read_text("utf-8")))
    whole = json.loads(json.dumps(made.as_json()))
    validate(whole)
    assert whole["counts"] == {"ok": 1, "warn": 1, "fail": 1, "skipped": 1}
    assert whole["checks"][0]["items"] == [{"name": item.name, "values": item.values}]
    problems = made.as_json(only_problems=True)
    validate(problems)
    assert [check["status"] for check in problems["checks"]] == ["warn", "fail"]
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate({**whole, "version": 2})


def test_remedies_are_lines() -> None:
    """A check may have several remedies, or none."""
    results = report(fail("a", "first\nsecond"), ok("b")).results
    assert [result.remedies for result in results] == [["first", "second"], []]
