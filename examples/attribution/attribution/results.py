"""Rows of the views as values for the table and the page, and money as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, TypeAlias, TypeVar

import duckdb

NOTHING: Final = "\u2013"  # a dash
ZERO: Final = Decimal(0)
DAYS: Final = (
    ("under 1 hour", 1 / 24),
    ("under 1 day", 1),
    ("1 to 3 days", 3),
    ("3 to 7 days", 7),
    ("7 to 14 days", 14),
    ("14 to 30 days", 30),
    ("30 days or more", float("inf")),
)
"""The bars of the time to the order: name, and the days below which an order belongs there."""

_NO_DIGITS: Final = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
                     "XOF", "XPF"}  # fmt: skip
_THREE_DIGITS: Final = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
"""Currencies (ISO 4217) that do not have two digits after the point."""

Model: TypeAlias = str
Channel: TypeAlias = str
Campaign: TypeAlias = tuple[str, str]
"""Channel and campaign."""
_Key = TypeVar("_Key", Channel, Campaign)


@dataclass(frozen=True)
class Result:
    """The credit of one model for a channel or a campaign. `spend` is None if no spend is known."""

    orders: Decimal = ZERO
    revenue: Decimal | None = None
    spend: Decimal | None = None

    def __add__(self, other: Result) -> Result:
        """Both together."""
        return Result(self.orders + other.orders, _sum(self.revenue, other.revenue), _sum(self.spend, other.spend))

    @property
    def cpa(self) -> Decimal | None:
        """Spend for each order."""
        return self.spend / self.orders if self.spend is not None and self.orders else None

    @property
    def roas(self) -> Decimal | None:
        """Revenue for each unit of spend."""
        return self.revenue / self.spend if self.revenue is not None and self.spend else None


@dataclass(frozen=True)
class Path:
    """The channels of the touches before an order, how many orders had them, and their revenue."""

    channels: tuple[str, ...]
    orders: int
    revenue: Decimal | None


@dataclass
class Section:
    """The results of one account in one currency. The largest channels, campaigns and paths come first."""

    account: str
    currency: str | None
    channels: dict[Channel, dict[Model, Result]] = field(default_factory=dict)
    campaigns: dict[Campaign, dict[Model, Result]] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    days: dict[str, int] = field(default_factory=dict)

    def money(self, amount: Decimal | None) -> str:
        """The amount with the digits of the section's currency."""
        return money(amount, self.currency)


@dataclass(frozen=True)
class Coverage:
    """How many orders there are, and how many of them are not or not fully in the results."""

    orders: int
    older_editions: int
    incomplete: int
    without_conversion: int
    without_amount: int
    without_times: int


def coverage(connection: duckdb.DuckDBPyConnection) -> Coverage:
    """The counts of the view `coverage`."""
    [row] = connection.execute("from coverage").fetchall()
    return Coverage(*(count or 0 for count in row))


def channel_sections(connection: duckdb.DuckDBPyConnection) -> list[Section]:
    """The revenue by channel and campaign, for each account and currency; the one with most orders comes first."""
    sections: dict[tuple[str, str | None], Section] = {}
    query = "select account, currency, channel, campaign, model, orders, revenue, spend from by_campaign"
    for account, currency, channel, campaign, model, *numbers in connection.execute(query).fetchall():
        section = sections.setdefault((account, currency), Section(account, currency))
        result = Result(*numbers)
        if campaign is not None:
            section.campaigns.setdefault((channel, campaign), {})[model] = result
        channels = section.channels.setdefault(channel, {})
        channels[model] = channels.get(model, Result()) + result
    for section in sections.values():
        section.channels = _largest_first(section.channels)
        section.campaigns = _largest_first(section.campaigns)
    return sorted(sections.values(), key=lambda each: (-_order_count(each), each.account, each.currency or ""))


def full_sections(connection: duckdb.DuckDBPyConnection) -> list[Section]:
    """As `channel_sections`, with the paths and the days to the order."""
    sections = channel_sections(connection)
    paths, days = defaultdict(list), defaultdict(list)
    query = "select account, currency, path, orders, revenue from paths order by orders desc, revenue desc, path"
    for account, currency, path, orders, revenue in connection.execute(query).fetchall():
        paths[account, currency].append(Path(tuple(path.split(" > ")), orders, revenue))
    for account, currency, number in connection.execute("select account, currency, days from days_to_order").fetchall():
        days[account, currency].append(number)
    for section in sections:
        place = section.account, section.currency
        section.paths = paths[place]
        section.days = _histogram(days[place])
    return sections


def money(amount: Decimal | None, currency: str | None) -> str:
    """The amount with the digits of its currency, and commas at the thousands."""
    if amount is None:
        return NOTHING
    digits = 0 if currency in _NO_DIGITS else 3 if currency in _THREE_DIGITS else 2
    return f"{amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN) + 0:,f}"  # + 0: no "-0"


def _histogram(days: Iterable[float]) -> dict[str, int]:
    counts = dict.fromkeys((name for name, _ in DAYS), 0)
    for number in days:
        counts[next(name for name, limit in DAYS if number < limit)] += 1
    return counts


def _largest_first(results: dict[_Key, dict[Model, Result]]) -> dict[_Key, dict[Model, Result]]:
    """In the order of the most revenue, then the most spend, that any model gives."""

    def size(key: _Key) -> tuple[Decimal, Decimal, _Key]:
        of_models = results[key].values()
        return -max(each.revenue or ZERO for each in of_models), -max(each.spend or ZERO for each in of_models), key

    return {key: results[key] for key in sorted(results, key=size)}


def _order_count(section: Section) -> Decimal:
    """How many orders the section has. Each model shares out all of them."""
    return sum((results.get("linear", Result()).orders for results in section.channels.values()), ZERO)


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other
