"""The report: one HTML page without scripts or outside files, for phones and desks, in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from importlib.resources import files
from typing import Final

from attribution.charts import Bar, Chart, picture
from attribution.database import MODELS, Settings
from attribution.results import NOTHING, Coverage, Path, Result, Section
from attribution.table import reasons, revenue_of, several_accounts, title

_MOST: Final = 20
"""Campaigns and paths that the page shows."""
_ENDS: Final = 3
"""Touches that a long path shows at its start and at its end."""


def page(sections: Sequence[Section], counts: Coverage, settings: Settings, *, at: datetime) -> str:
    """The whole page as text."""
    parts = [
        "<h1>Revenue by channel</h1>",
        f'<p class="quiet">{counts.orders:,} orders, {at:%Y-%m-%d %H:%M} UTC. {_rules(settings)}</p>',
        *(_section(section, several=several_accounts(sections)) for section in sections),
        _missing(counts),
    ]
    style = files("attribution").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Revenue by channel</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def channel_picture(section: Section) -> str:
    """The first picture of the page as an SVG file: revenue by channel under each model."""
    return picture(f"Revenue by channel under each model, {section.currency}", channel_charts(section))


def channel_charts(section: Section) -> list[Chart]:
    """One chart for each channel, with one bar for each model. All bars have one scale."""
    revenues = [_revenue(result) for results in section.channels.values() for result in results.values()]
    longest = max([0.0, *revenues])
    return [
        Chart(
            channel,
            [
                Bar(
                    model,
                    _revenue(results.get(model, Result())) / (longest or 1),
                    revenue_of(results, model, section),
                )
                for model in MODELS
            ],
        )
        for channel, results in section.channels.items()
    ]


def _rules(settings: Settings) -> str:
    direct = "like any other channel"
    if not settings.credit_direct:
        direct = "only if a journey has nothing else, so last equals last non-direct"
    return (
        f"Touches count within {settings.window_days} days before the order. Direct gets credit {direct}. "
        f"Time decay halves the weight every {settings.half_life_days} days."
    )


def _section(section: Section, *, several: bool) -> str:
    name = escape(title(section, several=several))
    parts = [
        f"<h2>{name}</h2>",
        "<h3>Revenue by channel under each model</h3>",
        '<p class="quiet">All bars have one scale.</p>',
        _charts(channel_charts(section)),
        _table(f"Revenue by channel, {name}", ["Channel", *MODELS], _by_model(section, section.channels.items())),
        _table(
            f"Orders by channel, {name}",
            ["Channel", *MODELS],
            (
                [channel, *(f"{results.get(model, Result()).orders:,.1f}" for model in MODELS)]
                for channel, results in section.channels.items()
            ),
        ),
        _costs(f"by channel, {name}", section, section.channels.items()),
        "<h3>By campaign</h3>",
        _campaigns(name, section),
        "<h3>Paths that convert most</h3>",
        _paths(name, section),
        "<h3>Time from the first touch to the order</h3>",
        _days(name, section),
    ]
    return "\n".join(part for part in parts if part)


def _campaigns(name: str, section: Section) -> str:
    shown = [(_campaign(key), results) for key, results in list(section.campaigns.items())[:_MOST]]
    return (
        _first_of(len(section.campaigns), "campaigns")
        + _table(f"Revenue by campaign, {name}", ["Campaign", *MODELS], _by_model(section, shown))
        + _costs(f"by campaign, {name}", section, shown)
    )


def _by_model(section: Section, items: Iterable[tuple[str, dict[str, Result]]]) -> Iterable[list[str]]:
    return ([name, *(revenue_of(results, model, section) for model in MODELS)] for name, results in items)


def _costs(what: str, section: Section, items: Iterable[tuple[str, dict[str, Result]]]) -> str:
    """The tables of cost per order and of revenue per cost; nothing where no spend is known."""
    known = [(name, results, spend) for name, results in items if (spend := _spend(results)) is not None]
    if not known:
        return ""
    per_order, per_cost = (
        [
            [name, section.money(spend), *(ratio(results.get(model, Result(spend=spend))) for model in MODELS)]
            for name, results, spend in known
        ]
        for ratio in (lambda result: section.money(result.cpa), _roas)
    )
    head = ["", "Spend", *MODELS]
    return _table(f"Spend for each order (CPA), {what}", head, per_order) + _table(
        f"Revenue for each unit of spend (ROAS), {what}", head, per_cost
    )


def _spend(results: dict[str, Result]) -> Decimal | None:
    return next((each.spend for each in results.values() if each.spend is not None), None)


def _roas(result: Result) -> str:
    return NOTHING if result.roas is None else f"{result.roas:,.2f}"


def _paths(name: str, section: Section) -> str:
    shown = section.paths[:_MOST]
    longest = max((path.orders for path in shown), default=1)
    charts = [
        Chart("Orders by path", [Bar(_short(path), path.orders / longest, f"{path.orders:,}") for path in shown[:8]])
    ]
    rows = ([_short(path), f"{path.orders:,}", section.money(path.revenue)] for path in shown)
    return (
        _first_of(len(section.paths), "paths")
        + _charts(charts)
        + _table(f"Paths, {name}", ["Channels of the touches", "Orders", "Revenue"], rows)
    )


def _days(name: str, section: Section) -> str:
    total = sum(section.days.values()) or 1
    bars = [Bar(days, count / max(section.days.values()), f"{count:,}") for days, count in section.days.items()]
    rows = ([days, f"{count:,}", f"{count / total:.0%}"] for days, count in section.days.items())
    return _charts([Chart("Orders", bars)]) + _table(f"Time to the order, {name}", ["Time", "Orders", "Share"], rows)


def _missing(counts: Coverage) -> str:
    rows = ([what, f"{count:,}"] for what, count in reasons(counts))
    return (
        "<h2>What is missing</h2>\n"
        "<p>Nothing is estimated. These orders are not, or not fully, in the results above.</p>\n"
        + _table(f"Of {counts.orders:,} orders", ["Orders", "Number"], rows)
        + f'\n<p class="quiet">{counts.older_editions:,} older readings of orders were replaced by newer ones.</p>'
    )


def _first_of(count: int, what: str) -> str:
    return f"<p>The {_MOST} largest of {count:,} {what}.</p>" if count > _MOST else ""


def _charts(charts: Sequence[Chart]) -> str:
    return '<div class="charts">' + "\n".join(chart.svg() for chart in charts) + "</div>"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls sideways where it is too wide. The first cell of each row is its heading."""
    columns = "".join(f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in head)
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{caption}"><table><caption>{caption}</caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _revenue(result: Result) -> float:
    return float(result.revenue or 0)


def _campaign(key: tuple[str, str]) -> str:
    channel, campaign = key
    return f"{channel}: {campaign or 'no campaign'}"


def _short(path: Path) -> str:
    """The path in one line, without the middle of a long one."""
    channels = list(path.channels)
    if len(channels) > 2 * _ENDS + 1:
        channels[_ENDS:-_ENDS] = [f"({len(channels) - 2 * _ENDS} more)"]
    return " > ".join(channels)
