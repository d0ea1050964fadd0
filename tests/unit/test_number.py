"""JSON numbers as they were written, and their exact values."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journeys.number import Number, digits, scaled

numbers = st.from_regex(r"-?[0-9]{1,45}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "scale", "value"),
    [
        ("129.99", 9, (129_990_000_000, True)),
        ("-129.99", 9, (-129_990_000_000, True)),
        ("1e3", 0, (1000, True)),
        ("1.5E+1", 0, (15, True)),
        ("0012", 0, (12, True)),
        ("-0.0", 0, (0, True)),
        ("0e99999999999999999999", 0, (0, True)),
        ("129.99000000000001", 9, (129_990_000_000, False)),
        ("0.5", 0, (0, False)),
        ("1.5", 0, (2, False)),
        ("2.5", 0, (2, False)),
        ("2.500000001", 0, (3, False)),
        ("1e-1000000", 9, (0, False)),
        ("1e-99999999999999999999", 9, (0, False)),
        ("1" * 38, 0, (int("1" * 38), True)),
        ("1e1000000", 9, None),
        ("1e99999999999999999999", 9, None),
        ("9" * 39, 0, None),
        ("9" * 38 + ".5", 0, None),
        ("", 0, None),
        (".5", 0, None),
        ("5.", 0, None),
        ("+5", 0, None),
        (" 5", 0, None),
        ("٣", 0, None),
        ("NaN", 0, None),
    ],
)
def test_a_number_has_its_exact_value(text: str, scale: int, value: tuple[int, bool] | None) -> None:
    """Exponents are checked before they are expanded, and a rest beyond the scale is rounded half-even."""
    assert scaled(text, scale, max_digits=38) == value


@example("9" * 29 + ".9999999999")
@given(numbers)
def test_scaling_agrees_with_decimal(text: str) -> None:
    """The standard library's Decimal gives the same integer, rounding and limit."""
    exact = Context(prec=400).scaleb(Decimal(text), 9)
    rounded = exact.to_integral_value(ROUND_HALF_EVEN)
    expected = None if abs(rounded) >= 10**38 else (int(rounded), rounded == exact)
    assert scaled(text, 9, max_digits=38) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("120210000000123457.0", "120210000000123457"),
        ("-1.20e1", "-12"),
        ("1e37", "1" + "0" * 37),
        ("1e38", "1e38"),
        ("1.50", "1.50"),
    ],
)
def test_an_id_that_is_a_number_becomes_its_digits(number: str, text: str) -> None:
    """Up to 38 digits are written out; a fraction and a larger number stay as they were written."""
    assert digits(Number(number)) == text
