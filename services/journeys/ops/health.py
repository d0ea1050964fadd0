"""The readiness of the worker, as named reasons. Sans-I/O. `stuck` decides whether it is alive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Need: TypeAlias = Literal["kafka.producer", "kafka.group", "registry.schemas", "api.gate", "worker.lifecycle"]
"""The conditions of a ready worker. A worker without a partition is ready too: it stands by."""

_AT_FIRST: Final[Mapping[Need, str]] = {
    "kafka.producer": "no transactional producer yet",
    "kafka.group": "not a member of the consumer group yet",
    "registry.schemas": "schema ids are not known yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An answer to a probe: reason → text. Good without reasons."""

    reasons: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether the probe passes."""
        return not self.reasons


class Health:
    """The reasons why this worker is not ready. Any thread may add, remove and read them."""

    def __init__(self) -> None:
        self._reasons: dict[Need, str] = dict(_AT_FIRST)

    def met(self, need: Need) -> None:
        """This condition holds now."""
        self._reasons.pop(need, None)

    def unmet(self, need: Need, reason: str) -> None:
        """This condition does not hold. `reason` is a text for people, without secrets."""
        self._reasons[need] = reason

    def readiness(self) -> Report:
        """The report for `/readyz`: good if every condition holds."""
        return Report(reasons={str(need): why for need, why in list(self._reasons.items())})
