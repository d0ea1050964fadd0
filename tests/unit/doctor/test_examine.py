"""Checks run side by side, each with its own time-out, and those that need a failed one are skipped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from journeys.doctor.examine import Check, examine
from journeys.doctor.report import Finding, Status, fail, ok, skipped, warn
from journeys.errors import HaltError, SettingsError, SetupError


def check(name: str, look: Callable[[], Finding], *needs: str, timeout_s: float = 60.0) -> Check:
    """A check of this name."""
    return Check(name, name.upper(), look, needs, timeout_s=timeout_s)


def raising(error: Exception) -> Callable[[], Finding]:
    """A look that raises this error."""

    def look() -> Finding:
        raise error

    return look


def test_check_that_needs_a_failed_one_is_skipped() -> None:
    """So is one that needs the skipped one. A warning skips nothing, and the order of the list stays."""
    counts: list[tuple[int, int]] = []
    checks = [
        check("a", lambda: fail("broken")),
        check("b", lambda: ok("never"), "a"),
        check("c", lambda: ok("never"), "b"),
        check("d", lambda: warn("odd")),
        check("e", lambda: ok("fine"), "d"),
        check("f", lambda: skipped("no right")),
        check("g", lambda: ok("never"), "d", "f"),
    ]
    report = examine(checks, on=lambda done, total: counts.append((done, total)))
    assert [(result.id, result.status.value) for result in report.results] == [
        ("a", "fail"),
        ("b", "skipped"),
        ("c", "skipped"),
        ("d", "warn"),
        ("e", "ok"),
        ("f", "skipped"),
        ("g", "skipped"),
    ]
    assert report.of("c").finding.detail == 'needs the check "B"'
    assert counts == [(done, 7) for done in range(1, 8)]


def test_check_without_an_answer_fails_after_its_own_timeout() -> None:
    """The others have answered by then, and the process does not wait for the thread."""
    forever = threading.Event()

    def hang() -> Finding:
        forever.wait()
        return ok("too late")

    report = examine(
        [check("slow", hang, timeout_s=0.01), check("after", lambda: ok(""), "slow"), check("fast", lambda: ok("now"))]
    )
    forever.set()
    assert report.of("slow").finding == fail("no answer within 0.01 s")
    assert report.of("after").status is Status.SKIPPED
    assert report.of("fast").finding == ok("now")


def test_errors_become_failed_checks() -> None:
    """With the error's text and remedy. A defect is named too, so that the other checks are worth their answers."""
    report = examine(
        [
            check("setup", raising(SetupError("a topic is missing", remedy="create it"))),
            check("halt", raising(HaltError("not allowed"))),
            check("late", raising(TimeoutError("no transactional producer"))),
            check("defect", raising(KeyError("x"))),
        ]
    )
    assert report.of("setup").finding == fail("a topic is missing", "create it")
    assert report.of("halt").finding == fail("not allowed")
    assert report.of("late").finding == fail("no transactional producer")
    assert "KeyError" in report.of("defect").finding.detail


def test_wrong_settings_end_the_examination() -> None:
    """They are exit code 2, as for every command."""
    with pytest.raises(SettingsError):
        examine([check("a", lambda: ok("fine")), check("b", raising(SettingsError([("NAME", "is wrong")])))])
