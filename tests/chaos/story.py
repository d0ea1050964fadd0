"""The steps of a round of chaos, with their times. All follow from a seed. Sans-I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, TypeAlias

What: TypeAlias = Literal[
    "hire", "kill", "freeze", "thaw", "leave", "broker", "registry-stops", "registry-goes-on", "api"
]

WORKERS = 3
"""The workers at the start of a round. A fourth joins now and then."""
FROZEN_S = 5.0
"""Seconds that a frozen worker sleeps: longer than its session and transaction time-outs, so it is a zombie after."""
_LENGTH_S = 10.0
_DISASTERS: dict[str, int] = {"kill": 4, "freeze": 4, "leave": 2, "join": 1, "broker": 2, "registry": 1, "api": 4}
"""Each step and its relative frequency."""
_FAULTS = ("503", "hangup", "reset", "slow1500", "429s1", "code7", "html", "silent", "401", "truncated")


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One step: its time in seconds after the beginning, and the number of its worker, or how it happens."""

    at: float
    what: What
    who: int = 0
    how: str = ""

    def __str__(self) -> str:
        whom = self.who if self.what in ("hire", "kill", "freeze", "thaw", "leave") else self.how or "fine again"
        return f"{self.what} {whom}" if self.what not in ("broker", "registry-stops", "registry-goes-on") else self.what


def story(seed: int) -> list[Step]:
    """The steps of a round, by time. Each stopped part continues later, and each ended worker comes back."""
    chance = random.Random(seed)
    steps: list[Step] = []
    free = [0.0] * (WORKERS + 1)  # when each worker may be met by the next disaster
    free[WORKERS] = _LENGTH_S * 2  # until it joins
    registry = api = 0.0
    has_joined = False
    at = chance.uniform(0.3, 1.5)
    while at < _LENGTH_S:
        [what] = chance.choices(list(_DISASTERS), list(_DISASTERS.values()))
        candidates = [who for who, since in enumerate(free) if since <= at]
        who = chance.choice(candidates) if candidates else -1
        if what in ("kill", "leave") and who >= 0:
            back = at + chance.uniform(0.1, 2.5)
            steps += [Step(at, "kill" if what == "kill" else "leave", who), Step(back, "hire", who)]
            free[who] = back + 0.5
        elif what == "freeze" and who >= 0:
            back = at + FROZEN_S + chance.uniform(0.0, 2.0)
            steps += [Step(at, "freeze", who), Step(back, "thaw", who)]
            free[who] = back + 0.2
        elif what == "join" and not has_joined:
            has_joined = True
            steps.append(Step(at, "hire", WORKERS))
            free[WORKERS] = at + 0.5
        elif what == "broker":
            steps.append(Step(at, "broker"))
        elif what == "registry" and registry <= at:
            registry = at + chance.uniform(1.0, 4.0)
            steps += [Step(at, "registry-stops"), Step(registry, "registry-goes-on")]
        elif what == "api" and api <= at:
            api = at + chance.uniform(0.5, 3.0)
            steps += [Step(at, "api", how=chance.choice(_FAULTS)), Step(api, "api")]
        at += chance.uniform(0.1, 1.6)
    return sorted(steps)
