"""The commands of the attribution example, without Kafka: the table, the page and the picture."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.downstream.attribution.journeys import journey, put

from attribution.cli import main
from attribution.database import open_database
from attribution.report import channel_charts
from attribution.results import channel_sections, coverage, full_sections, money
from attribution.table import channel_table


class Reader(HTMLParser):
    """Collects what a page loads, its open tags and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An opening tag with its attributes."""
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_data(self, data: str) -> None:
        """The text between two tags."""
        self.text += data


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    """A database file with orders in three currencies, one without a conversion, and one incomplete."""
    path = tmp_path / "attribution.duckdb"
    hostile = "<script>alert('x')</script>"
    with open_database(path) as connection:
        put(
            connection,
            journey("1", [("ads", 0), ("email", 2)], "1234.565", campaigns=[hostile, "&amp;"]),
            journey("2", [(("ads", "email")[number % 2], number) for number in range(10)], "10"),
            journey("3", [("referral", 0)], "1500", currency="JPY"),
            journey("4", [("referral", 0)], "2.5", currency="KWD"),
            journey("5", [("other", 0)], converts=False),
            ([], journey("6", [("other", 0)])[1]),
        )
    return path


def test_the_table_shows_revenue_by_channel_and_what_is_missing(
    database_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One table for each currency, with its digits; the one with most orders comes first."""
    assert main(["table", "--database", str(database_file)]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"Revenue by channel, (\w+)", text) == ["USD", "JPY", "KWD"]
    lines = [line.split() for line in text.splitlines()]
    assert ["ads", "1,244.56", "0.00", "0.00", "622.28", "622.28", "561.11"] in lines
    assert ["all", *["1,244.56"] * 6] in lines
    assert ["all", *["1,500"] * 6] in lines
    assert ["all", *["2.500"] * 6] in lines
    assert text.count("incomplete") == text.count("without a conversion") == 1
    assert max(map(len, text.splitlines())) <= 80


def test_the_page_contains_everything_and_loads_nothing(
    database_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No script, no address, no picture without a table. Text from Kafka stays text."""
    spend = tmp_path / "spend.csv"
    spend.write_text("channel,campaign,currency,spend\nads,,USD,100\n")
    out, svg = tmp_path / "report.html", tmp_path / "picture.svg"
    arguments = [
        "report",
        "--database",
        str(database_file),
        "--spend",
        str(spend),
        "--html",
        str(out),
        "--svg",
        str(svg),
    ]
    assert main(arguments) == 0
    assert str(out) in capsys.readouterr().out
    reader = Reader()
    reader.feed(out.read_text())
    assert reader.addresses == []
    assert {"script", "link", "img", "iframe"}.isdisjoint(reader.tags)
    assert "url(" not in out.read_text()
    assert "ads: <script>alert('x')</script>" in reader.text
    assert "email: &amp;" in reader.text
    assert "ads > email > ads > (4 more) > email > ads > email" in reader.text
    for heading in ("Revenue by channel", "By campaign", "Paths that convert most", "Time from the first touch", "CPA",
                    "ROAS", "What is missing"):  # fmt: skip
        assert heading in reader.text
    picture = ET.fromstring(svg.read_text())  # noqa: S314 - our own
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:3] == ["Revenue by channel under each model, USD", "ads", "first"]


def test_bars_of_refunds_alone_are_empty() -> None:
    """No bar is longer than the scale, also if all revenue is negative."""
    with open_database() as connection:
        put(connection, journey("1", [("ads", 0)], "-110"), journey("2", [("email", 0)], "-10"))
        [section] = channel_sections(connection)
    assert all(bar.share <= 0 for chart in channel_charts(section) for bar in chart.bars)


def test_an_empty_database_gives_an_empty_table_and_page(tmp_path: Path) -> None:
    """Before the first load there is nothing to show, and this is no error."""
    with open_database() as connection:
        assert "no orders with a conversion yet" in channel_table(channel_sections(connection), coverage(connection))
        assert full_sections(connection) == []
    out, svg = tmp_path / "r.html", tmp_path / "r.svg"
    assert main(["report", "--database", str(tmp_path / "new.duckdb"), "--html", str(out), "--svg", str(svg)]) == 0
    assert out.exists()
    assert not svg.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["table", "--spend", "absent.csv"], 1, "absent.csv"),
        (["table", "--database", "/"], 1, "attribution table: "),
        (["table", "--window-days", "0"], 2, "--window-days: invalid"),
        (["load", "--kafka-option", "sasl.username"], 2, "--kafka-option: invalid"),
        (["load", "--kafka-option", "no.such=x"], 1, "no.such"),
    ],
)
@pytest.mark.usefixtures("empty_folder")
def test_mistakes_of_users_are_one_line(
    arguments: list[str], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, and the exit code says which kind of mistake it is."""
    try:
        found = main(arguments)
    except SystemExit as end:
        found = int(end.code or 0)
    assert found == code
    assert reason in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234.565", "USD", "1,234.56"),
        ("-0.5", "JPY", "0"),
        ("1.0005", "KWD", "1.000"),
        ("2", None, "2.00"),
        (None, "USD", "\u2013"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount: str | None, currency: str | None, text: str) -> None:
    """Half goes to the even neighbour; no amount is a dash."""
    assert money(None if amount is None else Decimal(amount), currency) == text
