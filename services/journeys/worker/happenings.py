"""Happenings in the worker. The hooks (`hooks/`) turn them into metrics, log lines and readiness.

Each kind of happening is a frozen record. Every hook gets the records that it follows, on the thread where they
happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeAlias, get_args

import msgspec

from journeys.consumer.consumer import Partition
from journeys.fetcher.account.gate import Reason
from journeys.model import Journey, OrderMessage
from journeys.producer.publisher import Result
from journeys.worker.handover import FinishedOrder


class RequestEnded(msgspec.Struct, frozen=True):
    """A request to the API ended: `ok`, or the reason of its failure. On the event loop."""

    outcome: str
    seconds: float
    detail: str = ""
    """More about the failure, for people."""
    page: int = 1
    """The number of the requested page, counted from 1."""


class ExtraPageRequested(msgspec.Struct, frozen=True):
    """A page after the last one is requested, because that one was full. On the event loop."""


class JourneyFetched(msgspec.Struct, frozen=True):
    """A journey was read, and is about to be encoded. On the event loop."""

    journey: Journey


class FieldMisfit(msgspec.Struct, frozen=True):
    """A value did not fit its field, which is named by its JSON Pointer. On the event loop."""

    pointer: str


class GateChanged(msgspec.Struct, frozen=True):
    """The gate is shut for these reasons; open for none. On the event loop."""

    reasons: Mapping[Reason, str]


class RegistryAwaited(msgspec.Struct, frozen=True):
    """Orders wait for the schema registry, for this reason; None: they wait no longer. On the event loop."""

    reason: str | None


class Assigned(msgspec.Struct, frozen=True):
    """Partitions were assigned to this worker; none if a rebalance brought no new ones. On the Kafka thread."""

    partitions: Sequence[Partition]


class Revoked(msgspec.Struct, frozen=True):
    """Partitions were taken from this worker; `lost` if it fell out of the group. On the Kafka thread."""

    partitions: Sequence[Partition]
    lost: bool


class GroupsChanged(msgspec.Struct, frozen=True):
    """The consumer groups that this worker cannot work in, with the reason of each. On the Kafka thread."""

    obstacles: Mapping[str, str]


class OrderTopicsMissing(msgspec.Struct, frozen=True):
    """The topics with order messages that do not exist, each time that these change. On the Kafka thread."""

    topics: Sequence[str]


class TopicsWithoutIds(msgspec.Struct, frozen=True):
    """The brokers give no id for a topic, for this reason; reported once. On the Kafka thread."""

    topic: str
    reason: str


class MessageSkipped(msgspec.Struct, frozen=True):
    """An order message with a null value was skipped. On the Kafka thread."""

    message: OrderMessage


class ForeignRetry(msgspec.Struct, frozen=True):
    """A record of a retry tier was left to the group that it belongs to. On the Kafka thread."""

    message: OrderMessage
    group: str


class OrdersWaiting(msgspec.Struct, frozen=True):
    """Orders that are not due yet; about once a second, on the Kafka thread."""

    orders: int
    next_due: float | None
    """When the next of them is due, in seconds since the epoch; None for no order."""


class Measured(msgspec.Struct, frozen=True):
    """Numbers of the worker; about once a second, on the Kafka thread."""

    in_hand: int
    """Orders admitted and not published."""
    lag: Mapping[Partition, int]
    """Orders of each partition that are not published yet."""
    oldest_s: float
    """How long the oldest order has been in hand, in seconds; 0 for no order."""


class TransactionEnded(msgspec.Struct, frozen=True):
    """A transaction ended. Its orders are published only if it was committed. On the Kafka thread."""

    result: Result
    finished: Sequence[FinishedOrder]
    seconds: float


class OutcomeRecovered(msgspec.Struct, frozen=True):
    """There is a new producer, and the outcome of the last transaction was read back. On the Kafka thread."""

    published: int
    """Orders in hand that turned out to be published."""
    owed: int
    """Orders in hand whose results are sent again."""


class KafkaUnreachable(msgspec.Struct, frozen=True):
    """Kafka did not answer while an outcome was read back; the worker asks again. On the Kafka thread."""

    reason: str


Happening: TypeAlias = (
    RequestEnded
    | ExtraPageRequested
    | JourneyFetched
    | FieldMisfit
    | GateChanged
    | RegistryAwaited
    | Assigned
    | Revoked
    | GroupsChanged
    | OrderTopicsMissing
    | TopicsWithoutIds
    | MessageSkipped
    | ForeignRetry
    | OrdersWaiting
    | Measured
    | TransactionEnded
    | OutcomeRecovered
    | KafkaUnreachable
)


class Hook(Protocol):
    """Follows what happens in the worker.

    A hook with an attribute `follows` gets only these kinds of happenings, any other hook gets all. Requests and
    journeys happen for each order, so a hook that is called for them in vain makes every order slower.
    """

    def __call__(self, happening: Happening, /) -> None:
        """Act on one happening, or pass over it. It must be cheap, and must neither block nor raise."""


_KINDS: Final[tuple[type[Happening], ...]] = get_args(Happening)


class Hooks:
    """The hooks of one worker, called in this order. Safe to use from any thread."""

    def __init__(self, *hooks: Hook) -> None:
        self._followers = {
            kind: tuple(hook for hook in hooks if kind in getattr(hook, "follows", _KINDS)) for kind in _KINDS
        }

    def notify(self, happening: Happening) -> None:
        """Pass a happening to the hooks that follow its kind."""
        for hook in self._followers[type(happening)]:
            hook(happening)

    # The fetcher, the gatekeeper, the encoder and the schema lookups know these methods instead of the records.

    def request(self, outcome: str, seconds: float, detail: str, page: int) -> None:
        """As `RequestEnded`."""
        self.notify(RequestEnded(outcome, seconds, detail, page))

    def extra_page(self) -> None:
        """As `ExtraPageRequested`."""
        self.notify(ExtraPageRequested())

    def misfit(self, pointer: str) -> None:
        """As `FieldMisfit`."""
        self.notify(FieldMisfit(pointer))

    def gate(self, reasons: Mapping[Reason, str]) -> None:
        """As `GateChanged`."""
        self.notify(GateChanged(reasons))

    def registry(self, reason: str | None) -> None:
        """As `RegistryAwaited`."""
        self.notify(RegistryAwaited(reason))
