"""A picture of the dashboard with real data, for the README: the panels of the table, drawn without Grafana.

`python -m tests.support.dashboard_picture dashboard.json picture.svg` draws what tests/extra/test_prometheus.py has
written: the times of a run and of its outage, and the answer of Prometheus to each expression.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.support.dashboard import PANELS, Panel

_Point: TypeAlias = tuple[float, float]
"""Seconds since the epoch, and a value."""

_COLUMNS: Final = 3
_WIDTH: Final = 1200
_GAP: Final = 8
_PANEL: Final = ((_WIDTH - _GAP) // _COLUMNS - _GAP, 136)
"""Width and height of a panel."""
_PLOT: Final = (52, 30, _PANEL[0] - 64, 66)
"""Left, top, width and height of the plot in its panel."""
_LEGEND: Final = (116, 129)
"""Tops of its two lines of text."""
_HEADING: Final = 30
_CAPTION: Final = (
    "Two workers, two minutes of load; the API fails in the shaded time. "
    "Drawn from the table of the dashboard and the answers of a real Prometheus, not by Grafana."
)
_COLOURS: Final = ("#2f6fbf", "#d9730d", "#3a8f3a", "#b8324f", "#7a52b3", "#8a6d3b", "#1f8f8f", "#c2529b")
_UNITS: Final = {"s": "seconds", "reqps": "requests/s", "percentunit": "%", "bytes": "MiB"}
_SCALES: Final = {"percentunit": 0.01, "bytes": 2.0**20}
_STYLE: Final = (
    "text{font:11px system-ui,sans-serif;fill:#5b6470}.title{font-size:13px;font-weight:600;fill:#1f2933}"
    ".row{font-size:15px;font-weight:600;fill:#1f2933}.card{fill:#fff;stroke:#dde1e6}.grid{stroke:#eceff2}"
    ".end{text-anchor:end}path{fill:none;stroke-width:1.5;stroke-linejoin:round}"
)


def picture(run: Mapping[str, Any]) -> str:
    """The SVG of a run: `start`, `end`, `outage` (seconds since the epoch), `step_s`, and `answers` by expression."""
    body: list[str] = []
    top = 24
    for question, panels in PANELS.items():
        body.append(f'<text class="row" x="{_GAP}" y="{top + 20}">{escape(question)}</text>')
        top += _HEADING
        for number, panel in enumerate(panels):
            row, column = divmod(number, _COLUMNS)
            place = (_GAP + column * (_PANEL[0] + _GAP), top + row * (_PANEL[1] + _GAP))
            body.append(f'<g transform="translate({place[0]},{place[1]})">{"".join(_panel(panel, run))}</g>')
        top += math.ceil(len(panels) / _COLUMNS) * (_PANEL[1] + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}">'
        f"<title>{_CAPTION}</title><style>{_STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#f4f5f7"/><text x="{_GAP}" y="18">{_CAPTION}</text>'
        + "\n".join(body)
        + "</svg>\n"
    )


def _panel(panel: Panel, run: Mapping[str, Any]) -> Iterator[str]:
    left, top, width, height = _PLOT
    lines = _lines(panel, run["answers"])
    scale = _SCALES.get(panel.unit, 1.0)
    ceiling = _ceiling(max((value for _, points in lines for _, value in points), default=0.0) / scale) * scale
    start, seconds = float(run["start"]), float(run["end"] - run["start"])

    def across(moment: float) -> float:
        return round(left + (moment - start) / seconds * width, 1)

    def down(value: float) -> float:
        return round(top + (1 - max(value, 0) / ceiling) * height, 1)

    yield f'<rect class="card" width="{_PANEL[0]}" height="{_PANEL[1]}" rx="4"/>'
    yield f'<text class="title" x="10" y="19">{escape(panel.title)}</text>'
    unit = _UNITS.get(panel.unit, panel.unit.removeprefix("suffix: "))
    yield f'<text class="end" x="{_PANEL[0] - 10}" y="19">{escape(unit)}</text>'
    begin, end = map(across, run["outage"])
    yield f'<rect x="{begin}" y="{top}" width="{end - begin:.1f}" height="{height}" fill="#f9e3e3"/>'
    for share in (0, 0.5, 1):
        y = down(share * ceiling)
        yield f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>'
        yield f'<text class="end" x="{left - 6}" y="{y + 4}">{share * ceiling / scale:.4g}</text>'
    for number, (_, points) in reversed(list(enumerate(lines))):
        steps = "".join(f"{verb}{across(moment)},{down(value)}" for verb, (moment, value) in _strokes(points, run))
        yield f'<path stroke="{_COLOURS[number % len(_COLOURS)]}" d="{steps}"/>'
    if lines:
        yield from _legend([name for name, _ in lines])
    else:
        yield f'<text x="10" y="{_LEGEND[0]}">no line in this run</text>'


def _lines(panel: Panel, answers: Mapping[str, Any]) -> list[tuple[str, list[_Point]]]:
    """The legend and the points of each series, the highest one first."""
    found = []
    for legend, expression in panel.queries.items():
        for series in answers[expression]:
            points = [(moment, float(value)) for moment, value in series["values"] if math.isfinite(float(value))]
            if points:
                found.append((_name(legend, series["metric"]), points))
    return sorted(found, key=lambda line: -max(value for _, value in line[1]))


def _strokes(points: list[_Point], run: Mapping[str, Any]) -> Iterator[tuple[str, _Point]]:
    """Each point that the line needs, with `M` if the line begins there, else `L`."""
    for number, point in enumerate(points):
        around = points[max(0, number - 1) : number + 2]
        begins = number == 0 or point[0] - around[0][0] > run["step_s"]
        if begins or len({value for _, value in around}) > 1 or number == len(points) - 1:
            yield "M" if begins else "L", point


def _name(legend: str, labels: Mapping[str, str]) -> str:
    """`{{tier}} {{reason}}` → `1m status-503`."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend)


def _legend(names: list[str]) -> Iterator[str]:
    """The names of the lines, as many as fit into two lines of text, and the number of the others."""
    x, row = 10.0, 0
    for number, name in enumerate(names):
        width = 6.4 * len(name) + 24
        if x + width > _PANEL[0] - 10 and row == 0:
            x, row = 10.0, 1
        if x + width > _PANEL[0] - 80 * row:
            yield f'<text x="{x}" y="{_LEGEND[row]}">and {len(names) - number} more</text>'
            return
        yield f'<circle cx="{x + 3}" cy="{_LEGEND[row] - 4}" r="3.5" fill="{_COLOURS[number % len(_COLOURS)]}"/>'
        yield f'<text x="{x + 10}" y="{_LEGEND[row]}">{escape(name)}</text>'
        x += width


def _ceiling(value: float) -> float:
    """The next round number: 1, 2, 4, 6, 8 or 10 times a power of ten. Half of it is short, too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(round_number * power for round_number in (1, 2, 4, 6, 8, 10) if round_number * power >= value * 0.999)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
