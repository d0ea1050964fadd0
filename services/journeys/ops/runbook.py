"""docs/runbook.md as a web page, so that the page of a worker can link to the section of a reason."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Runbook of journeys</title>'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="stylesheet" href="/console.css">'
    '</head><body class="runbook"><nav><a href="/">Back to the worker</a></nav><main>'
)
_EMPTY_HEAD: Final = re.compile(r"<thead>\s*<tr>\s*(<th></th>\s*)+</tr>\s*</thead>")


def path() -> Path:
    """The file: inside an installed package, or in the documents of a checkout."""
    installed = _PACKAGE / "ops" / "console" / "runbook.md"
    return installed if installed.is_file() else _PACKAGE.parents[1] / "docs" / "runbook.md"


@cache
def page() -> str:
    """The runbook as HTML. Each heading has its anchor, as in the Markdown file."""
    return f"{_HEAD}{rendered(path().read_text('utf-8'))}</main></body></html>"


def rendered(markdown: str) -> str:
    """The HTML of a Markdown text. Headings get anchors; links to other documents become plain text."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - most workers never show the runbook

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(inline.content))
    html = str(parser.renderer.render(tokens, parser.options, {}))
    html = re.sub(r'<a href="[^#"][^"]*">(.*?)</a>', r"\1", html)
    # Tables and commands may be wider than a phone: they scroll by themselves, also by keyboard.
    html = _EMPTY_HEAD.sub("", html).replace("<table>", '<div class="scroll" tabindex="0"><table>')
    return html.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')


def anchor(title: str) -> str:
    """The anchor that GitHub gives a heading: `The API is down` → `the-api-is-down`."""
    return escape(re.sub(r"[^\w -]", "", title.casefold()).replace(" ", "-"))
