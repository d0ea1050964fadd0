"""The blocks of a document that run: files and SQL.

A file has its name in a comment above the block: `<!-- file: reader.py -->`.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SQL = re.compile(r"^```sql\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def write_files(document: str, directory: Path) -> None:
    """Write each file that the document shows into the directory."""
    for name, text in _FILE.findall((ROOT / document).read_text()):
        (directory / name).write_text(text)


def statements(document: str) -> list[str]:
    """The SQL blocks of the document, in order."""
    return _SQL.findall((ROOT / document).read_text())
