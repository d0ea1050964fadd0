"""The blocks of a document that run: files, SQL, and commands with their output.

A file has its name in a comment above the block: `<!-- file: reader.py -->`. In a block of the language `console`, a
line that begins with `$ ` is a command. The lines below it are its output; `…` there stands for any text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```(sql|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
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


def write_files(document: str, directory: Path) -> None:
    """Write each file that the document shows into the directory."""
    for name, text in _FILE.findall((ROOT / document).read_text()):
        (directory / name).write_text(text)


def statements(document: str) -> list[str]:
    """The SQL blocks of the document, in order."""
    return [text for language, text in _blocks(document) if language == "sql"]


def commands(document: str) -> list[Command]:
    """The commands of the document, in order."""
    parts = [part for language, text in _blocks(document) if language == "console" for part in _PROMPT.split(text)[1:]]
    return [Command(text, output) for text, _, output in (part.partition("\n") for part in parts)]


def _blocks(document: str) -> list[tuple[str, str]]:
    return _BLOCK.findall((ROOT / document).read_text())


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
