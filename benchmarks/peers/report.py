"""The report on the peers, as text, Markdown and a plot, and the verdict on each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.peers.peers import BENTO, PEERS, TRANSACTIONAL, WORKER
from benchmarks.plot import bars
from benchmarks.report import table

Found = Mapping[str, Any]
PAPER: Final = Path(__file__).resolve().parents[1] / "PEERS.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A goal of the worker, compared with its peers."""

    goal: str
    found: str
    reached: bool | None
    """None if a peer of the comparison was not measured."""

    @property
    def verdict(self) -> str:
        """The verdict in a word or two."""
        return {True: "reached", False: "missed", None: "not measured"}[self.reached]


def targets(rows: Sequence[Found]) -> list[Target]:
    """The targets with their verdicts, from the rows of one run."""
    by_name = {row["name"]: row for row in rows if "why" not in row}
    rest = [name for name in by_name if name not in {WORKER, TRANSACTIONAL}]
    return [
        _ratio(by_name, "rate", [TRANSACTIONAL], 1.3, what="orders/s", whose="Parallel Consumer's, transactional"),
        _ratio(by_name, "rate", rest, 2, what="orders/s", whose="every other peer's"),
        _ratio(
            by_name, "cpu_ms", [TRANSACTIONAL], 0.4, what="CPU per order", whose="Parallel Consumer's, transactional"
        ),
        _ratio(by_name, "cpu_ms", [BENTO], 0.2, what="CPU per order", whose="Bento's"),
        _ratio(by_name, "memory_mib", [TRANSACTIONAL], 0.4, what="RSS", whose="Parallel Consumer's, transactional"),
        _fewest(by_name),
    ]


def _ratio(
    rows: Mapping[str, Found], key: str, others: Sequence[str], bound: float, *, what: str, whose: str
) -> Target:
    """The ratio of the worker's value to that of the closest peer, by the median over the turns."""
    more = bound > 1
    goal = f"{what} {'>=' if more else '<='} {bound:g} x {whose}"
    ratios = [found for name in others if (found := _ratios(rows, name, key))]
    if not ratios:
        return Target(goal=goal, found="", reached=None)
    closest = (min if more else max)(ratios, key=median)
    ratio = median(closest)
    spread = f" ({min(closest):.2f} to {max(closest):.2f})" if len(closest) > 1 else ""
    return Target(goal=goal, found=f"{ratio:.2f} x{spread}", reached=ratio >= bound if more else ratio <= bound)


def _ratios(rows: Mapping[str, Found], name: str, key: str) -> list[float]:
    """The worker's value divided by the peer's, for each turn in which neither failed."""
    mine, theirs = (rows.get(each, {}).get("speed", ()) for each in (WORKER, name))
    return [one[key] / other[key] for one, other in zip(mine, theirs, strict=False) if key in one and key in other]


def harmed(row: Found) -> int | None:
    """Orders that are lost, half visible or doubled after both disasters. None unless both were played."""
    accounts = [row.get(name, {}).get("account") for name in ("outage", "kill")]
    if None in accounts:
        return None
    return sum(int(account[state]) for account in accounts for state in ("lost", "half", "doubled"))


def _fewest(rows: Mapping[str, Found]) -> Target:
    goal = "no peer with fewer lost, doubled or half-visible orders"
    counts = {name: count for name, row in rows.items() if (count := harmed(row)) is not None}
    mine = counts.pop(WORKER, None)
    if mine is None or not counts:
        return Target(goal=goal, found="", reached=None)
    fewer = [name for name, count in counts.items() if count < mine]
    return Target(goal=goal, found=f"{mine}; fewer: {', '.join(fewer) or 'none'}", reached=not fewer)


# -- tables


SPEED: Final = ("peer", "guarantee", "orders", "orders/s", "from", "to", "CPU ms per order", "RSS MiB", "complete")
DISASTERS: Final = ("peer", "lost", "half visible", "doubled", "stalled", "resumed after s", "ended by itself")


def speed_rows(rows: Sequence[Found]) -> list[list[str]]:
    """A row for each peer at full speed, with the medians of its turns."""
    return [[row["name"], row["guarantee"], *_speed(row.get("speed", ()))] for row in rows if "why" not in row]


def disaster_rows(rows: Sequence[Found], name: str) -> list[list[str]]:
    """A row for each peer, after an outage of the API (`outage`) or SIGKILL (`kill`)."""
    return [[row["name"], *_disaster(row.get(name))] for row in rows if "why" not in row]


def _speed(turns: Sequence[Found]) -> list[str]:
    done = [found for found in turns if "failed" not in found]
    if not done:
        return _blank(turns[0] if turns else None, len(SPEED) - 2)
    rates = [found["rate"] for found in done]
    numbers = (f"{rate:.0f}" for rate in (median(rates), min(rates), max(rates)))
    cpu, memory = (median(found[key] for found in done) for key in ("cpu_ms", "memory_mib"))
    return [f"{done[0]['orders']}", *numbers, f"{cpu:.2f}", f"{memory:.0f}", _complete(turns)]


def _complete(turns: Sequence[Found]) -> str:
    """The faults of all turns; `yes` without any."""
    return "; ".join(dict.fromkeys(wrong for found in turns if (wrong := _wrong(found)))) or "yes"


def _wrong(found: Found) -> str:
    if "failed" in found:
        return f"a turn failed: {found['failed']}"
    account = found["account"]
    strange = found["wrong"] + account["strange"]
    return ", ".join(
        [
            *([f"{account['whole']} of {account['owed']}"] if account["whole"] != account["owed"] else []),
            *([f"{account['doubled']} doubled"] if account["doubled"] else []),
            *([f"{strange} wrong events"] if strange else []),
        ]
    )


def _disaster(found: Found | None) -> list[str]:
    if found is None or "failed" in found:
        return _blank(found, len(DISASTERS) - 1)
    account = found["account"]
    half = f"{account['half']}"
    if found.get("half_after_kill"):
        half += f" ({found['half_after_kill']} after the kill)"
    resumed = "never" if found["resumed_s"] is None else f"{found['resumed_s']:.1f}"
    states = [f"{account['lost']}", half, f"{account['doubled']}", f"{account['stalled']}"]
    times = {0: "no", 1: "once"}.get(found["restarts"], f"{found['restarts']} times")
    return [*states, resumed, times]


def _blank(found: Found | None, columns: int) -> list[str]:
    """The cells of a round that failed or was not played."""
    if found is None:
        return ["-"] * columns
    return [f"failed: {found['failed']}", *[""] * (columns - 1)]


def write(found: Found) -> list[str]:
    """The Markdown of one run."""
    rows, options = found["rows"], found["options"]
    absent = [row for row in rows if "why" in row]
    titles = {peer.name: peer.title for peer in PEERS}
    judged = targets(rows)
    return [
        "## At full speed",
        "",
        "The time runs from the append of the first event to that of the last, by the broker's clock. CPU is user",
        "and system time of the peer's whole process tree in that time. RSS is the sum of its processes' peaks. The",
        f"figures are medians of {options['turns']} turns. `from` and `to` are of the orders/s.",
        "",
        *table(SPEED, speed_rows(rows)),
        "",
        "![orders/s](results/peers.svg)",
        "",
        f"## The API answers 503 for {options['outage']:g} s",
        "",
        *table(DISASTERS, disaster_rows(rows, "outage")),
        "",
        "## SIGKILL in the middle, and a new start at once",
        "",
        *table(DISASTERS, disaster_rows(rows, "kill")),
        "",
        "All counts are of orders, as a read_committed consumer sees them at the end of the round. `lost`: no event is",
        "visible, and the group has committed past the order. `half visible`: some events are visible, some are",
        "missing. `doubled`: an event is visible more than once. `stalled`: no event is visible, and the group has not",
        "committed past the order. `resumed`: seconds from the API's return, or the new start, to the next record.",
        "`ended by itself`: how often the peer ended and was started again, as by a supervisor.",
        "",
        "## Targets",
        "",
        "A ratio compares the rounds of one turn. The median decides; the lowest and the highest are in brackets.",
        "",
        *table(("target", "found", ""), [[target.goal, target.found, target.verdict] for target in judged]),
        "",
        "## The peers",
        "",
        *[f"- `{row['name']}`: {titles[row['name']]}" for row in rows],
        *[f"- `{row['name']}` was **not run**: {row['why']}" for row in absent],
        "",
    ]


def plot(found: Found) -> str:
    """A plot of each peer's orders/s, the median of its turns."""
    turns = {row["name"]: [turn["rate"] for turn in row.get("speed", ()) if "rate" in turn] for row in found["rows"]}
    rates = {name: median(values) for name, values in turns.items() if values}
    return bars(list(rates), {"orders/s": list(rates.values())}, unit="orders/s")


def text(found: Found) -> str:
    """The tables of one run, for a terminal."""
    rows = found["rows"]
    parts = [
        _columns(SPEED, speed_rows(rows)),
        f"the API answers 503 for {found['options']['outage']:g} s:\n"
        + _columns(DISASTERS, disaster_rows(rows, "outage")),
        "SIGKILL in the middle:\n" + _columns(DISASTERS, disaster_rows(rows, "kill")),
        "\n".join(f"{target.goal}: {target.found or '-'}, {target.verdict}" for target in targets(rows)),
        *(f"not run: {row['name']}: {row['why']}" for row in rows if "why" in row),
    ]
    return "\n\n".join(parts)


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
