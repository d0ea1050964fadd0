"""Bar charts as SVG. Every bar is named and has its value as text, so that no chart needs colours to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 320
_ROW: Final = 34
_HEAD: Final = 30
_GAP: Final = 28
_STYLE: Final = """
  svg { color: #1b1f24; background: #ffffff; font: 13px system-ui, sans-serif; }
  .bar { fill: #2f6fbb; }
  @media (prefers-color-scheme: dark) { svg { color: #e6e8eb; background: #14171a; } .bar { fill: #7db3f0; } }
"""


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length as a share of the longest of all charts (0 to 1), and its value as text."""

    name: str
    share: float
    value: str


@dataclass(frozen=True)
class Chart:
    """A heading and its bars."""

    heading: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        """Height in SVG units; every chart is `WIDTH` wide."""
        return _HEAD + _ROW * len(self.bars)

    def svg(self) -> str:
        """The chart for a page, which sets the colours. Screen readers get all values as one text."""
        text = ", ".join(f"{bar.name} {bar.value}" for bar in self.bars)
        label = escape(f"{self.heading}: {text}")
        return f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{label}">{self.marks()}</svg>'

    def marks(self) -> str:
        """The elements of the picture, without the `svg` element around them."""
        return _text(0, 16, self.heading, weight="bold") + "".join(
            _text(0, top + 13, bar.name)
            + _text(WIDTH, top + 13, bar.value, anchor="end")
            + f'<rect class="bar" x="0" y="{top + 18}" width="{max(bar.share, 0) * WIDTH:.1f}" height="9" rx="2"/>'
            for top, bar in ((_HEAD + _ROW * number, bar) for number, bar in enumerate(self.bars))
        )


def picture(heading: str, charts: Sequence[Chart], columns: int = 3) -> str:
    """Several charts in one SVG file that stands alone, in light or dark as its reader's system is."""
    columns = max(1, min(columns, len(charts)))
    tall = max((chart.height for chart in charts), default=0) + _GAP
    width = columns * (WIDTH + _GAP) + _GAP
    height = 48 + -(-len(charts) // columns) * tall
    placed = (
        f'<g transform="translate({_GAP + number % columns * (WIDTH + _GAP)} {56 + number // columns * tall})">'
        f"{chart.marks()}</g>"
        for number, chart in enumerate(charts)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(heading)}"><style>{_STYLE}</style>'
        f"{_text(_GAP, 34, heading, weight='bold', size=18)}{''.join(placed)}</svg>\n"
    )


def _text(x: int, y: int, text: str, *, anchor: str = "start", weight: str = "normal", size: int = 13) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="currentColor">'
        f"{escape(text)}</text>"
    )
