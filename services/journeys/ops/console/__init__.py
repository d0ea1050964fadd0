"""The page of a worker: one HTML file, one module of JavaScript and one style sheet, without a build step."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FILES: Final = {
    "/": ("console.html", "text/html"),
    "/console.js": ("console.js", "text/javascript"),
    "/console.css": ("console.css", "text/css"),
}
"""Path of the server → file in this folder, and its media type."""
SCHEMA: Final = Path(__file__).with_name("state.schema.json")
"""The JSON Schema of /state.json."""


@cache
def text(name: str) -> str:
    """The text of a file in this folder."""
    return Path(__file__).with_name(name).read_text("utf-8")
