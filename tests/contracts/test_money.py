"""Amounts are written with the symbol and the digits of their currency."""

import pytest

from nextbuy.contracts.money import format_money
from nextbuy.contracts.values import Money


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1_000, "USD", "$10.00"),
        (450_150, "USD", "$4,501.50"),
        (5, "USD", "$0.05"),
        (0, "USD", "$0.00"),
        (-1_050, "EUR", "-€10.50"),
        (500, "JPY", "¥500"),
        (1_234_567, "KWD", "KWD 1,234.567"),
        (1_000, "CHF", "CHF 10.00"),
    ],
)
def test_amount_is_written_with_symbol_and_digits_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert format_money(Money(amount, currency)) == text
