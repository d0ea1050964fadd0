"""The lag of a group, from one measurement or two. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from journeys.clock import iso
from journeys.tools.lag.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """All partitions at one moment."""

    at_ms: int
    """Milliseconds since the epoch."""
    orders: tuple[Progress, ...]
    """The partitions of the order topics."""
    retries: tuple[Progress, ...]
    """The partitions of the retry tiers."""

    @property
    def partitions(self) -> tuple[Progress, ...]:
        """All of them."""
        return self.orders + self.retries


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Orders a second, between two measurements."""

    published: float
    arrived: float

    def catch_up_s(self, orders: int) -> float | None:
        """Seconds until so many open orders are published, if the pace stays; None for never."""
        if not orders:
            return 0.0
        gain = self.published - self.arrived
        return orders / gain if gain > 0 else None


def pace(earlier: Iterable[Progress], later: Iterable[Progress], *, seconds: float) -> Pace | None:
    """The pace of these partitions together; None for no time between the measurements."""
    if seconds <= 0:
        return None
    before = {(each.topic, each.partition): each for each in earlier}
    pairs = [(before[each.topic, each.partition], each) for each in later if (each.topic, each.partition) in before]
    published = sum(new.published - old.published for old, new in pairs)
    arrived = sum(new.bounds.stop - old.bounds.stop for old, new in pairs)
    return Pace(published=max(0, published) / seconds, arrived=max(0, arrived) / seconds)


def age_s(measured: Progress, at_ms: int) -> float | None:
    """Seconds since the oldest open order was written; None without one, or if its message has no time."""
    if measured.oldest is None or measured.oldest.at_ms is None:
        return None
    return max(0, at_ms - measured.oldest.at_ms) / 1000


def oldest_s(measured: Iterable[Progress], at_ms: int) -> float | None:
    """The greatest `age_s` of these partitions."""
    return max((age for each in measured if (age := age_s(each, at_ms)) is not None), default=None)


def next_due_ms(measured: Iterable[Progress]) -> int | None:
    """When the first of the oldest open orders is due, milliseconds since the epoch; None if no order waits."""
    dues = (each.oldest.due_ms for each in measured if each.oldest is not None)
    return min((due for due in dues if due is not None), default=None)


def problems(measured: Iterable[Progress]) -> list[str]:
    """Why the workers cannot go on, by partition."""
    return [f"{each.topic}/{each.partition}: {each.problem}" for each in measured if each.problem is not None]


def as_json(group: str, settle_s: float, new: Measurement, old: Measurement | None) -> dict[str, Any]:
    """The document that `--json` prints; docs/commands.md describes it."""
    seconds = 0.0 if old is None else (new.at_ms - old.at_ms) / 1000
    earlier = () if old is None else old.partitions
    total = pace([] if old is None else old.orders, new.orders, seconds=seconds)
    orders = sum(each.orders for each in new.orders)
    return {
        "group": group,
        "time": iso(new.at_ms),
        "settle_s": settle_s,
        "measured_s": seconds or None,
        "orders": orders,
        "exact": all(each.counted is not None for each in new.orders),
        "lag_s": oldest_s(new.orders, new.at_ms),
        **_pace(total, orders),
        "retries": sum(each.orders for each in new.retries),
        "next_retry": iso(next_due_ms(new.retries)),
        "problems": problems(new.partitions),
        "partitions": [
            {"kind": kind, **_partition(each, new.at_ms, earlier, seconds)}
            for kind, found in (("orders", new.orders), ("retry", new.retries))
            for each in found
        ],
    }


def _partition(measured: Progress, at_ms: int, earlier: Sequence[Progress], seconds: float) -> dict[str, Any]:
    oldest = measured.oldest
    return {
        "topic": measured.topic,
        "partition": measured.partition,
        "watermark": None if measured.commit is None else measured.commit.watermark,
        "end": measured.bounds.stop,
        "finished_beyond": measured.beyond,
        "orders": measured.orders,
        "exact": measured.counted is not None,
        "lag_s": age_s(measured, at_ms),
        "oldest": oldest
        and {"order": oldest.order, "offset": oldest.offset, "time": iso(oldest.at_ms), "due": iso(oldest.due_ms)},
        **_pace(pace(earlier, [measured], seconds=seconds), measured.orders),
    }


def _pace(found: Pace | None, orders: int) -> dict[str, float | None]:
    if found is None:
        return {"published_per_s": None, "arrived_per_s": None, "catch_up_s": None if orders else 0.0}
    catch_up_s = found.catch_up_s(orders)
    return {
        "published_per_s": round(found.published, 3),
        "arrived_per_s": round(found.arrived, 3),
        "catch_up_s": None if catch_up_s is None else round(catch_up_s, 1),
    }
