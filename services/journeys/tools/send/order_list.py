"""The orders that an input names: arguments, lines of text or JSON, or one column of a CSV file. No I/O."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from journeys.consumer.order_message import OrderMessageReader
from journeys.errors import RejectedOrderError
from journeys.model import Json, OrderMessage, Position

Row = tuple[int, str]
"""The number of a line, from 1, and its text: the whole line, or a cell of a CSV file."""

_SEPARATORS: Final = ",;\t|"
_LOST_DIGITS: Final = re.compile(r"\d([.,]\d+)?E\+?\d+", re.ASCII | re.IGNORECASE)
_NOWHERE: Final = Position(topic="", partition=0, offset=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """The distinct orders of an input, in its order, and what else it holds."""

    orders: tuple[str, ...]
    repeated: int
    """Rows that name an order of an earlier row."""
    blank: int
    """Rows without text."""
    unreadable: tuple[tuple[int, str], ...]
    """Rows that name no order: the number of the line, and the reason."""


def collect(rows: Iterable[Row], read: Callable[[str], str]) -> OrderList:
    """The orders of these rows. `read` returns the order id of a text, or raises RejectedOrderError."""
    orders: dict[str, None] = {}
    repeated = blank = 0
    unreadable: list[tuple[int, str]] = []
    for number, text in rows:
        if not text.strip():
            blank += 1
            continue
        try:
            order = read(text)
        except RejectedOrderError as error:
            unreadable.append((number, str(error)))
            continue
        if order in orders:
            repeated += 1
        orders[order] = None
    return OrderList(orders=tuple(orders), repeated=repeated, blank=blank, unreadable=tuple(unreadable))


def line_reader(row_format: Literal["auto", "text"], pointer: str) -> Callable[[str], str]:
    """A function that reads an order id as the worker does. In `auto`, a line that begins as JSON is JSON.

    `pointer` says where the id is in JSON (RFC 6901).
    """
    reader = OrderMessageReader(account="", order_format=row_format, pointer=pointer, decode_avro=_no_avro)

    def read(text: str) -> str:
        value = text.strip().encode(errors="surrogatepass")
        message = OrderMessage(position=_NOWHERE, key=None, value=value, headers=(), timestamp_ms=None)
        return reader.read(message).order_id

    return read


def cell_reader() -> Callable[[str], str]:
    """As `line_reader` for text, but a number that a spreadsheet has rounded names no order: `5.1549E+12`."""
    read = line_reader("text", "/order_id")

    def read_cell(text: str) -> str:
        if _LOST_DIGITS.fullmatch(text.strip()):
            why = "a spreadsheet has rounded the number; export the column as text"
            raise RejectedOrderError(why, reason="message-unreadable", stage="message")
        return read(text)

    return read_cell


def cells(lines: Iterable[str], column: str) -> Iterator[Row]:
    """The cells of one column of a CSV file, whose first line names the columns. Finds the separator by itself.

    Raises ValueError if there is no such column, or if a line is no CSV.
    """
    rest = iter(lines)
    header = next(rest, "").removeprefix("\ufeff")
    try:
        separator, place = _column(header, column)
        reader = csv.reader(rest, delimiter=separator)
        for row in reader:
            yield reader.line_num + 1, row[place] if place < len(row) else ""
    except csv.Error as error:
        raise ValueError(f"this is no CSV: {error}") from None


def _column(header: str, column: str) -> tuple[str, int]:
    for separator in _SEPARATORS:
        names = [name.strip() for row in csv.reader([header], delimiter=separator) for name in row]
        if column in names:
            return separator, names.index(column)
    raise ValueError(f"the first line names no column {column!r}: {header.strip()[:200]!r}")


def _no_avro(_value: bytes) -> Json:
    raise ValueError("it begins with a null byte")
