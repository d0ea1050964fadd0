"""The blocks of a document that run: files, SQL with its result, and commands with their output.

A file has its name in a comment above the block: `<!-- file: reader.py -->`. A table below a block of SQL shows rows of
the result; a last row of `…` stands for more rows. In a block of the language `console`, a line that begins with `$ `
is a command. The lines below it are its output; `…` there stands for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SQL = re.compile(r"^```sql\n(.*?)^```\n\n?((?:\|[^\n]*\n)*)", re.DOTALL | re.MULTILINE)
_PROMPT = re.compile(r"^\$ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a document, and its output as the document shows it: empty if the document shows none."""

    text: str
    output: str

    def prints(self, output: str) -> bool:
        """Whether this is the output that the document shows, apart from blanks at the ends of lines."""
        expected = map(re.escape, _trimmed(self.output).split("…"))
        return not self.output or re.fullmatch(".*?".join(expected), _trimmed(output), re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of SQL, and the rows of its result that the document shows."""

    sql: str
    columns: tuple[str, ...]
    """The columns of the result that the document shows."""
    rows: tuple[tuple[str, ...], ...]
    is_whole: bool
    """Whether the result has no other rows."""

    def gives(self, result: Iterable[Mapping[str, Any]]) -> bool:
        """Whether this is the result, in any order: amounts with two digits, times to the minute."""
        found = sorted(tuple(_cell(row[column]) for column in self.columns) for row in result)
        return found == sorted(self.rows) if self.is_whole else set(self.rows) < set(found)


def write_files(document: str, directory: Path) -> None:
    """Write each file that the document shows into the directory."""
    for name, text in _FILE.findall((ROOT / document).read_text()):
        (directory / name).write_text(text)


def statements(document: str) -> list[Statement]:
    """The SQL blocks of the document, in order, each with the table below it."""
    return [_statement(sql, table) for sql, table in _SQL.findall((ROOT / document).read_text())]


def commands(document: str) -> list[Command]:
    """The commands of the document, in order."""
    blocks = _CONSOLE.findall((ROOT / document).read_text())
    parts = [part for text in blocks for part in _PROMPT.split(text)[1:]]
    return [Command(text, output) for text, _, output in (part.partition("\n") for part in parts)]


def _statement(sql: str, table: str) -> Statement:
    columns, _rule, *rows = (tuple(map(str.strip, line.strip("|").split("|"))) for line in table.splitlines())
    is_whole = rows[-1] != ("…",)
    return Statement(sql, columns, tuple(rows if is_whole else rows[:-1]), is_whole=is_whole)


def _cell(value: Any) -> str:
    match value:
        case Decimal() | float():
            return f"{value:.2f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
