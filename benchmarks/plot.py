"""Draws bar charts as SVG: a row for each label, a bar for each series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_COLOURS: Final = ("#1f6feb", "#d29922", "#8b949e", "#3fb950")
_WIDTH, _LABELS, _BAR, _GAP, _TOP = 720, 230, 16, 10, 34


def bars(labels: Sequence[str], series: Mapping[str, Sequence[float]], *, unit: str) -> str:
    """A chart of non-negative numbers, each series as long as `labels`."""
    most = max((value for values in series.values() for value in values), default=0.0) or 1.0
    scale = (_WIDTH - _LABELS - 90) / most
    height = _TOP + len(labels) * (len(series) * _BAR + _GAP)
    size = f'width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect {size} fill="#ffffff"/>',
    ]
    x = _LABELS
    for name, colour in zip(series, _COLOURS, strict=False):
        parts.append(f'<rect x="{x}" y="9" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="19">{escape(name)}</text>')
        x += 30 + 8 * len(name)
    parts.append(f'<text x="{_WIDTH - 10}" y="19" text-anchor="end" fill="#57606a">{escape(unit)}</text>')
    y = _TOP
    for row, label in enumerate(labels):
        middle = y + len(series) * _BAR / 2 + 4
        parts.append(f'<text x="{_LABELS - 8}" y="{middle:g}" text-anchor="end">{escape(label)}</text>')
        for values, colour in zip(series.values(), _COLOURS, strict=False):
            width = values[row] * scale
            parts.append(f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{colour}"/>')
            parts.append(f'<text x="{_LABELS + width + 5:.1f}" y="{y + 12}">{values[row]:.4g}</text>')
            y += _BAR
        y += _GAP
    return "\n".join([*parts, "</svg>", ""])
