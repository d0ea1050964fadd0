"""The table of revenue by channel for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Final

from attribution.database import MODELS
from attribution.results import NOTHING, ZERO, Coverage, Result, Section

_HEAD_WIDTH: Final = 10
"""Characters in a line of a column's title."""


def channel_table(sections: Sequence[Section], counts: Coverage) -> str:
    """Revenue by channel under each model, one table for each account and currency, and then what is missing."""
    if not any(section.channels for section in sections):
        return "There are no orders with a conversion yet.\n" + missing(counts)
    return "\n".join([*(_section(each, several=several_accounts(sections)) for each in sections), missing(counts)])


def missing(counts: Coverage) -> str:
    """One sentence about the orders, and one line for each reason why some are not in the results."""
    lines = [f"{counts.orders:,} orders.", *(f"  {count:>6,} {what}" for what, count in reasons(counts) if count)]
    return "\n".join(lines) + "\n"


def reasons(counts: Coverage) -> list[tuple[str, int]]:
    """The orders that the results leave out, wholly or in part: the reason and their number."""
    return [
        ("incomplete: some of their events are not here (yet)", counts.incomplete),
        ("without a conversion: their journey does not contain their own checkout", counts.without_conversion),
        ("with a conversion, but without an amount in a known currency", counts.without_amount),
        ("with events that have no time: time decay treats their touches alike", counts.without_times),
    ]


def several_accounts(sections: Sequence[Section]) -> bool:
    """Whether headings must name the account."""
    return len({section.account for section in sections}) > 1


def title(section: Section, *, several: bool) -> str:
    """The currency of a section, with its account if there are several."""
    currency = section.currency or "no currency"
    return f"{currency}, account {section.account}" if several else currency


def revenue_of(results: dict[str, Result], model: str, section: Section) -> str:
    """The revenue as text: 0 if the model gives the channel nothing, a dash if no revenue is known."""
    result = results.get(model, Result(revenue=ZERO if section.currency else None))
    return section.money(result.revenue)


def _section(section: Section, *, several: bool) -> str:
    heading = f"Revenue by channel, {title(section, several=several)}"
    body = [
        [channel, *(revenue_of(results, model, section) for model in MODELS)]
        for channel, results in section.channels.items()
    ]
    totals = [sum((results.get(model, Result()).revenue or ZERO for results in section.channels.values()), ZERO)
              for model in MODELS]  # fmt: skip
    sums = ["all", *(section.money(total) if section.currency else NOTHING for total in totals)]
    return heading + "\n" + _grid(_heads(["channel", *MODELS]), body, sums)


def _heads(titles: Sequence[str]) -> list[tuple[str, ...]]:
    """The titles in as many rows as the longest one needs. Six amounts then fit into 80 columns."""
    parts = [wrap(title, _HEAD_WIDTH) for title in titles]
    depth = max(map(len, parts))
    return list(zip(*([""] * (depth - len(part)) + part for part in parts), strict=True))


def _grid(heads: Sequence[Sequence[str]], body: Sequence[Sequence[str]], sums: Sequence[str]) -> str:
    """Rows of text in columns, the first one left, the others right, with rules between heads, body and sums."""
    widths = [max(map(len, column)) for column in zip(*heads, *body, sums, strict=True)]
    rule = ["─" * width for width in widths]
    rows = [*heads, rule, *body, rule, sums]
    return "\n".join(" ".join(_cells(row, widths)).rstrip() for row in rows) + "\n"


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    return (
        text.rjust(width) if number else text.ljust(width)
        for number, (text, width) in enumerate(zip(row, widths, strict=True))
    )
