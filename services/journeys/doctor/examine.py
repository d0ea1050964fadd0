"""Runs checks: each as soon as the checks that it needs have passed, and each with a time-out of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from journeys.doctor.report import Finding, Report, Result, Status, fail, skipped
from journeys.errors import JourneysError, SettingsError, SetupError
from journeys.worker.threads import in_daemon_thread


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    `look` may block. It raises a JourneysError, which fails the check with the error's text and remedy; a SettingsError
    ends the examination.
    """

    id: str
    title: str
    look: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    """Ids of earlier checks. If one of them fails or is skipped, this one is skipped."""
    timeout_s: float = field(default=10.0, kw_only=True)


def examine(checks: Sequence[Check], *, on: Callable[[int, int], object] = lambda _done, _total: None) -> Report:
    """Run all checks, and report on them in their order. Calls `on` with the number of finished checks and of all.

    Raises SettingsError for a setting that a library refuses.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Report(at=at, results=asyncio.run(_examine(checks, on)))


async def _examine(checks: Sequence[Check], on: Callable[[int, int], object]) -> list[Result]:
    tasks: dict[str, asyncio.Task[Result]] = {}
    for check in checks:
        tasks[check.id] = asyncio.create_task(_result(check, [tasks[each] for each in check.needs]))
    for done, task in enumerate(asyncio.as_completed(tasks.values()), 1):
        await task
        on(done, len(tasks))
    return [task.result() for task in tasks.values()]


async def _result(check: Check, needed: Sequence[Awaitable[Result]]) -> Result:
    for each in needed:
        before = await each
        if before.status in (Status.FAIL, Status.SKIPPED):
            finding = skipped(f'needs the check "{before.title}"')
            return Result(id=check.id, title=check.title, finding=finding, took_s=0.0)
    began = time.monotonic()
    finding = await _finding(check)
    return Result(id=check.id, title=check.title, finding=finding, took_s=time.monotonic() - began)


async def _finding(check: Check) -> Finding:
    try:
        async with asyncio.timeout(check.timeout_s):
            return await in_daemon_thread(check.look, name=check.id)
    except SettingsError:
        raise
    except JourneysError as error:
        return fail(str(error), error.remedy if isinstance(error, SetupError) else None)
    except TimeoutError as error:  # of this check, which has no text, or of a client
        return fail(str(error) or f"no answer within {check.timeout_s:g} s")
    except Exception as error:  # noqa: BLE001 - the other checks are worth their answers
        return fail(f"a defect of this check: {type(error).__name__}: {error}", "report it, with the output of --json")
