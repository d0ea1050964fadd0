"""The readiness of the worker, as named reasons. Sans-I/O. `stuck` decides whether it is alive.

A worker is *unready* while it publishes no orders, or not all of them. It is *degraded* while it publishes, and an
operator should know of something. A worker without a partition is ready: it stands by.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar, get_args

from journeys.model import Position

Unready: TypeAlias = Literal[
    "starting", "stopping", "group", "producer", "topic", "registry", "auth", "down", "flood", "held"
]
"""Why a worker is not ready."""
Degraded: TypeAlias = Literal["pace", "failing", "slow", "foreign"]
"""A fault that an operator should know of although the worker is ready."""
_Name = TypeVar("_Name", bound=str)
UNREADY: Final[tuple[Unready, ...]] = get_args(Unready)
DEGRADED: Final[tuple[Degraded, ...]] = get_args(Degraded)


@dataclass(frozen=True, slots=True)
class Advice:
    """A reason as part of a sentence, its effect on orders, the remedy, and the section of docs/runbook.md."""

    state: str
    orders: str
    remedy: str
    section: str


ADVICE: Final[Mapping[Unready | Degraded, Advice]] = {
    "starting": Advice(
        "the worker looks up its topics and schemas",
        "Orders wait in Kafka.",
        "Nothing for the first minute; then see the log.",
        "a-worker-does-not-start",
    ),
    "stopping": Advice(
        "the worker ends", "Orders wait in Kafka for another worker.", "Nothing.", "a-worker-does-not-start"
    ),
    "group": Advice(
        "the worker is not in its consumer group",
        "Orders of this group wait in Kafka, or other workers publish them.",
        "Remove the obstacle that the reason names.",
        "out-of-the-group",
    ),
    "producer": Advice(
        "Kafka does not answer",
        "Fetched orders wait in the worker; none is published.",
        "Look at the brokers.",
        "kafka-does-not-answer",
    ),
    "topic": Advice(
        "a topic takes no records",
        "Orders that need the topic wait until it takes records again.",
        "journeys topics create, or give the worker the right to Write, as the reason says.",
        "a-topic-takes-no-records",
    ),
    "registry": Advice(
        "the schema registry does not answer",
        "Orders in Avro wait for their schemas; others are published.",
        "Look at the schema registry.",
        "the-registry-does-not-answer",
    ),
    "auth": Advice(
        "the API refuses the key",
        "Orders wait; none becomes a dead letter.",
        "Set the right API key.",
        "the-key-is-refused",
    ),
    "down": Advice(
        "the API does not answer",
        "Orders wait; none becomes a dead letter.",
        "Inform the API's owner, unless the reason names a limit of this worker.",
        "the-api-is-down",
    ),
    "flood": Advice(
        "too many orders became dead letters",
        "Orders wait, since many became dead letters.",
        "Find the cause, then: journeys dead-letters resume",
        "a-flood-of-dead-letters",
    ),
    "held": Advice(
        "an operator holds this worker", "Orders wait in Kafka.", "POST /resume to this worker.", "an-operator-holds-it"
    ),
    "pace": Advice(
        "the API asks for pauses", "Orders are published more slowly.", "Nothing, if it is rare.", "the-api-throttles"
    ),
    "failing": Advice(
        "every request to the API fails",
        "Orders are tried again, and then wait in a retry tier.",
        "Check whether the worker's machine reaches the API.",
        "every-request-fails",
    ),
    "slow": Advice(
        "an order takes long",
        "The API takes long for this order; others are published.",
        "Ask the API's owner about the order that the reason names.",
        "an-order-is-slow",
    ),
    "foreign": Advice(
        "another group uses the same retry topics",
        "Orders of this group are published. Another group keeps its retries in the same topics.",
        "Give each group its own JOURNEYS_ORDERS__RETRY_PREFIX.",
        "two-groups-share-retry-topics",
    ),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reason that holds now: a text for people, without secrets, and since when, in seconds since the epoch."""

    why: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An answer to a liveness probe: reason → text. Good without reasons."""

    reasons: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether the probe passes."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class OldestOrder:
    """The order that has been in hand for longest."""

    order_id: str | None
    """None if its message names none, or cannot be read yet."""
    position: Position
    seconds: float
    """How long it has been in hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The reasons that hold now, and the oldest order in hand, if there is one. Ready without an unready reason."""

    unready: Mapping[Unready, Trouble]
    degraded: Mapping[Degraded, Trouble]
    oldest: OldestOrder | None = None

    @property
    def good(self) -> bool:
        """Whether the worker is ready."""
        return not self.unready


class Health:
    """The reasons that hold for one worker. Any thread may add, remove and read them. `wall` is the time of day."""

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._unready: dict[Unready, Trouble] = {}
        self._degraded: dict[Degraded, Trouble] = {}
        self.unready("starting", "the worker looks up its topics and schemas")
        self.unready("producer", "no transactional producer yet")
        self.unready("group", "not a member of the consumer groups yet")

    def unready(self, reason: Unready, why: str | None) -> None:
        """Add a reason, or its newest text; None removes it."""
        _note(self._unready, reason, why, self._wall())

    def degraded(self, reason: Degraded, why: str | None) -> None:
        """Add a reason, or its newest text; None removes it."""
        _note(self._degraded, reason, why, self._wall())

    def readiness(self) -> Readiness:
        """The report for `/readyz`."""
        return Readiness(unready=dict(self._unready), degraded=dict(self._degraded))


def _note(troubles: dict[_Name, Trouble], name: _Name, why: str | None, now: float) -> None:
    if why is None:
        troubles.pop(name, None)
    else:
        known = troubles.get(name)
        troubles[name] = Trouble(why, now if known is None else known.since)
