"""Orders from lines, cells and arguments."""

from __future__ import annotations

import pytest

from journeys.tools.send.order_list import OrderList, cell_reader, cells, collect, line_reader


def of_lines(*lines: str) -> OrderList:
    """The orders of a file with these lines."""
    return collect(enumerate(lines, start=1), line_reader("auto", "/order/id"))


def test_text_and_json_lines_name_orders_as_order_messages_do() -> None:
    """Spaces and line ends are cut; the pointer finds the id in an object; digits of an integer stay."""
    found = of_lines(
        " 1001 \n", '{"order": {"id": "A-2", "shop": 1}}', '"A-3"', '{"order": {"id": 12345678901234567890}}'
    )
    assert found.orders == ("1001", "A-2", "A-3", "12345678901234567890")
    assert found.unreadable == ()


def test_repeated_and_blank_lines_are_counted_and_left_out() -> None:
    """The first line of an order decides its place."""
    assert of_lines("b", "a", "", "b ", "\t\n", '"a"') == OrderList(
        orders=("b", "a"), repeated=2, blank=2, unreadable=()
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": 1}', "the message has no /order/id"),
        ('{"order"', "the value is not JSON"),
        ("[1]", "the message has no /order/id"),
        ("a\x1bb", "the order id holds control characters"),
        ("x" * 2000, "the order id is longer than 1024 bytes"),
        ("\udcff", "the value is not UTF-8"),
        ("\x00\x00", "the value is not readable as Avro: it begins with a null byte"),
    ],
)
def test_unreadable_lines_are_named(line: str, why: str) -> None:
    """Line number and reason, as the dead letter of such a message would have it."""
    found = of_lines("ok", line)
    assert (found.orders, found.unreadable) == (("ok",), ((2, why),))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_column_is_found_with_any_usual_separator(separator: str) -> None:
    """Spreadsheets of half the world write semicolons, and a byte order mark; a short row has a blank cell."""
    lines = [f"\ufeffday{separator}order id\r\n", f"1{separator}A-1\r\n", "2\r\n", f'3{separator}"A{separator}2"\r\n']
    assert list(cells(lines, "order id")) == [(2, "A-1"), (3, ""), (4, f"A{separator}2")]


def test_missing_csv_column_is_an_error_that_shows_the_first_line() -> None:
    """So does an empty file."""
    with pytest.raises(ValueError, match=r"no column 'order_id': 'id,day'"):
        list(cells(["id,day\n", "1,2\n"], "order_id"))
    with pytest.raises(ValueError, match="no column"):
        list(cells([], "order_id"))


def test_broken_csv_is_an_error() -> None:
    """A field without an end swallows the rest of the file."""
    with pytest.raises(ValueError, match="this is no CSV"):
        list(cells(["id\n", '"' + "x" * 200_000], "id"))


def test_rounded_number_of_a_spreadsheet_names_no_order() -> None:
    """Its digits are lost: it would become a dead letter, or another order."""
    found = collect([(2, "5.1549E+12"), (3, "5154899656917"), (4, "{x}")], cell_reader())
    assert found.orders == ("5154899656917", "{x}")
    assert [number for number, _ in found.unreadable] == [2]
