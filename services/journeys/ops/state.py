"""The state of a worker as `/state.json` shows it, and the sentence that sums it up. Sans-I/O.

Times are in seconds since the epoch, durations in seconds. `VERSION` grows when a field goes or changes its meaning; a
new field leaves it. `console/state.schema.json` is the JSON Schema of `State`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from journeys.model import Position
from journeys.ops.health import ADVICE, Degraded, Readiness, Report, Trouble, Unready
from journeys.ops.history import Point

VERSION: Final = 1

Kind = Literal["working", "settling", "idle", "standing-by", "waiting", "starting", "stopping", "stuck"]
"""`waiting`: something must change before orders go on. `settling`: all open orders wait for their due time."""
_FIRST: Final[tuple[Unready, ...]] = (
    "stopping",
    "starting",
    "held",
    "auth",
    "down",
    "flood",
    "topic",
    "producer",
    "registry",
    "group",
)
"""The reasons by how well they explain the others: the sentence names the first one that holds."""
_DAY_S: Final = 86_400


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The state in one sentence. `runbook` is the path of the section that helps; null if there is nothing to do."""

    kind: Kind
    text: str
    since: float | None = None
    remedy: str | None = None
    runbook: str | None = None


class ReasonShown(msgspec.Struct, frozen=True, kw_only=True):
    """A reason of /readyz. An unready worker publishes no orders, or not all of them."""

    name: str
    unready: bool
    state: str
    why: str
    since: float
    orders: str
    remedy: str
    runbook: str


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of this worker's partitions.

    `due` are not published although it is their time, in hand or still in Kafka. `waiting` wait for their due time, of
    which `next_due` is the earliest. `lag` counts both. `lag_s` is the age of the oldest of them; null for none.
    `catch_up_s` is 0 for a worker that is caught up, and null while the due orders do not get fewer. `per_s` is the
    pace of the last minute.
    """

    due: int
    in_hand: int
    waiting: int
    next_due: float | None
    lag: int
    lag_s: float | None
    catch_up_s: float | None
    per_s: float
    published: int
    retried: int
    dead_lettered: int
    dead_lettered_lately: int
    """In the last 15 minutes."""


class PartitionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A partition: orders done beyond the watermark, in hand, waiting for their due time, and not read yet.

    `unread` is 0 in retry tiers, where transaction markers look like orders.
    """

    topic: str
    partition: int
    watermark: int
    done_beyond: int
    in_hand: int
    waiting: int
    unread: int


class GateShown(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of the API account, by the reasons why it is shut; and its rate, null without a limit."""

    reasons: Mapping[str, str]
    rate_per_s: float | None
    in_flight: int
    throttled: int
    """Requests that the API throttled, since the start."""
    throttled_lately: int
    """In the last 15 minutes."""


class ChannelShown(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a channel that were published since the start, and in the last 15 minutes."""

    channel: str
    events: int
    lately: int


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was not published: it went to a retry tier or to the dead letters. `command` shows more."""

    at: float
    order_id: str | None
    outcome: str
    reason: str
    position: str
    command: str


class OldestShown(msgspec.Struct, frozen=True, kw_only=True):
    """The order that has been in hand for longest. `order_id` is null if its message cannot be read yet."""

    order_id: str | None
    position: str
    seconds: float


class SettingShown(msgspec.Struct, frozen=True, kw_only=True):
    """A setting, without secrets. `source` is `env`, `file` or `default`."""

    variable: str
    value: str
    source: str


class WorkerShown(msgspec.Struct, frozen=True, kw_only=True):
    """The worker itself."""

    version: str
    group: str
    instance: str
    started_at: float


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/state.json`. `history` has a point for every 5 s of the last 15 minutes, the oldest first.

    `controls` says whether the page may hold and resume the worker: at once, with a token, or not at all.
    """

    version: int = VERSION
    at: float
    worker: WorkerShown
    summary: Summary
    reasons: Sequence[ReasonShown]
    orders: Orders
    history: Sequence[Point]
    partitions: Sequence[PartitionShown]
    gate: GateShown
    channels: Sequence[ChannelShown]
    problems: Sequence[Problem]
    oldest_order: OldestShown | None
    settings: Sequence[SettingShown]
    controls: Literal["open", "token", "off"]


def summarize(found: Readiness, alive: Report, orders: Orders, *, partitions: int, now: float) -> Summary:
    """The state in one sentence; `partitions` counts those assigned to the worker."""
    if not alive.good:
        return Summary(
            kind="stuck",
            text=f"Stuck: {'; '.join(f'{part}: {why}' for part, why in alive.reasons.items())}",
            remedy="Restart the worker; another one takes its orders meanwhile.",
            runbook="/runbook#a-worker-is-stuck",
        )
    for name in _FIRST:
        if (trouble := found.unready.get(name)) is not None:
            return _unready(name, trouble, orders, now)
    for degraded, trouble in found.degraded.items():
        return _degraded(degraded, trouble, orders, now)
    if not partitions:
        return Summary(kind="standing-by", text="Standing by: no partition is assigned to this worker, others have all")
    return _healthy(orders, now)


def reasons(found: Readiness) -> list[ReasonShown]:
    """All reasons that hold, those of an unready worker first."""
    return [
        *(_shown(name, found.unready[name], unready=True) for name in _FIRST if name in found.unready),
        *(_shown(name, trouble, unready=False) for name, trouble in found.degraded.items()),
    ]


def command_for(outcome: str, *, order_id: str | None, sent_to: Position | None) -> str:
    """The command that shows more about an order that was not published; `sent_to` is where its record is now."""
    if outcome == "dead-lettered" and sent_to is not None:
        return f"journeys dead-letters show {sent_to.partition}/{sent_to.offset}"
    if order_id is None:
        return "journeys dead-letters list"
    return f"journeys show {'-- ' if order_id.startswith('-') else ''}{shlex.quote(order_id)}"


def duration(seconds: float) -> str:
    """A duration for people: `40 s`, `12 min`, `3 h`, `2 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:.0f} days"


def _unready(name: Unready, trouble: Trouble, orders: Orders, now: float) -> Summary:
    advice = ADVICE[name]
    kind: Kind = "starting" if name == "starting" else "stopping" if name == "stopping" else "waiting"
    waiting = orders.due + orders.waiting
    wait = f"{_orders(waiting)}, none is lost" if waiting else "no order is lost"
    return Summary(
        kind=kind,
        text=f"{kind.capitalize()}: {advice.state}, since {_clock(trouble.since, now)}; {wait}",
        since=trouble.since,
        remedy=advice.remedy,
        runbook=f"/runbook#{advice.section}",
    )


def _degraded(name: Degraded, trouble: Trouble, orders: Orders, now: float) -> Summary:
    advice = ADVICE[name]
    return Summary(
        kind="working",
        text=f"{_pace(orders)}; but {advice.state}, since {_clock(trouble.since, now)}",
        since=trouble.since,
        remedy=advice.remedy,
        runbook=f"/runbook#{advice.section}",
    )


def _healthy(orders: Orders, now: float) -> Summary:
    if orders.due or orders.per_s >= 0.05:
        return Summary(kind="working", text=f"{_pace(orders)}, {_caught_up(orders)}{_dead(orders)}")
    if orders.waiting:
        due = "" if orders.next_due is None else f", the next at {_clock(orders.next_due, now)}"
        text = f"Settling: {_orders(orders.waiting)} for a due time{due}; 0 lost{_dead(orders)}"
        return Summary(kind="settling", text=text)
    return Summary(kind="idle", text=f"Idle: caught up, no order waits, 0 lost{_dead(orders)}")


def _pace(orders: Orders) -> str:
    pace = f"{orders.per_s:.0f}" if orders.per_s >= 10 else f"{orders.per_s:.1f}"
    return f"Working: {pace} orders/s, 0 lost"


def _caught_up(orders: Orders) -> str:
    if orders.catch_up_s is None:
        return f"{_orders(orders.due)}, not getting fewer"
    if not orders.catch_up_s:
        return "caught up"
    return f"caught up in {duration(orders.catch_up_s)}"


def _dead(orders: Orders) -> str:
    lately = orders.dead_lettered_lately
    return f"; {lately} dead letter{'s' if lately > 1 else ''} in the last 15 minutes" if lately else ""


def _orders(number: int) -> str:
    return "1 order waits" if number == 1 else f"{number} orders wait"


def _clock(at: float, now: float) -> str:
    """The time of day in UTC; with its date if it is further away than half a day."""
    form = "%H:%M" if abs(now - at) < _DAY_S / 2 else "%Y-%m-%d %H:%M"
    return f"{datetime.fromtimestamp(at, UTC):{form}} UTC"


def _shown(name: Unready | Degraded, trouble: Trouble, *, unready: bool) -> ReasonShown:
    advice = ADVICE[name]
    return ReasonShown(
        name=name,
        unready=unready,
        state=advice.state,
        why=trouble.why,
        since=trouble.since,
        orders=advice.orders,
        remedy=advice.remedy,
        runbook=f"/runbook#{advice.section}",
    )
