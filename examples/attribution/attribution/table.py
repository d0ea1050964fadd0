"""The table of revenue by channel for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attribution.database import MODELS
from attribution.results import NOTHING, ZERO, Coverage, Result, Section


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
    return heading + "\n" + _grid([["channel", *MODELS], *body, sums])


def _grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns: the first column left, the others right, with lines below the first and last-but-one."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_cells(row, widths)) for row in rows]
    rule = "  ".join("─" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]]) + "\n"


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    return (
        text.rjust(width) if number else text.ljust(width)
        for number, (text, width) in enumerate(zip(row, widths, strict=True))
    )
