"""Hooks: each gets the happenings that it follows, in order."""

from __future__ import annotations

import ast
import inspect

import pytest

from journeys.worker.happenings import (
    FieldMisfit,
    GateChanged,
    Happening,
    Hooks,
    KafkaUnreachable,
    RegistryAwaited,
    RequestEnded,
)
from journeys.worker.hooks.degraded import FailingHook, ForeignHook, SlowHook
from journeys.worker.hooks.log_lines import LogHook
from journeys.worker.hooks.metrics import MetricsHook
from journeys.worker.hooks.readiness import ReadinessHook
from journeys.worker.hooks.summary import SummaryHook


def test_every_hook_gets_every_happening_in_order() -> None:
    """A hook passes over the kinds that it does not know."""
    seen: list[tuple[str, Happening]] = []
    hooks = Hooks(lambda happening: seen.append(("one", happening)), lambda happening: seen.append(("two", happening)))
    first, second = KafkaUnreachable("no answer"), RegistryAwaited(None)
    hooks.notify(first)
    hooks.notify(second)
    assert seen == [("one", first), ("two", first), ("one", second), ("two", second)]


def test_a_hook_gets_only_the_kinds_that_it_follows() -> None:
    """A hook costs nothing for the happenings of each order that it does not follow."""

    class Follower:
        follows = (KafkaUnreachable,)

        def __call__(self, happening: Happening) -> None:
            seen.append(happening)

    seen: list[Happening] = []
    hooks = Hooks(Follower())
    hooks.notify(RegistryAwaited(None))
    hooks.notify(KafkaUnreachable("no answer"))
    assert seen == [KafkaUnreachable("no answer")]


def test_methods_of_other_packages_make_the_same_records() -> None:
    """The fetcher, the gatekeeper, the encoder and the schema lookups know no record."""
    seen: list[Happening] = []
    hooks = Hooks(seen.append)
    hooks.request("timeout", 0.2, "no answer in time", 2)
    hooks.misfit("/price")
    hooks.gate({"down": "10 in a row failed"})
    hooks.registry("it answers HTTP 503")
    assert seen == [
        RequestEnded("timeout", 0.2, "no answer in time", 2),
        FieldMisfit("/price"),
        GateChanged({"down": "10 in a row failed"}),
        RegistryAwaited("it answers HTTP 503"),
    ]


@pytest.mark.parametrize("hook", [MetricsHook, LogHook, ReadinessHook, SummaryHook, FailingHook, SlowHook, ForeignHook])
def test_a_hook_follows_the_happenings_that_it_matches(hook: type[LogHook]) -> None:
    """A kind with a case and no entry in `follows` would never arrive."""
    patterns = [node.cls for node in ast.walk(ast.parse(inspect.getsource(hook))) if isinstance(node, ast.MatchClass)]
    assert sorted(kind.__name__ for kind in hook.follows) == sorted({ast.unparse(pattern) for pattern in patterns})
