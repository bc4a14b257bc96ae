"""Prices as people type them."""

import pytest

from nextbuy.contracts.values import MAX_AMOUNT, Money
from nextbuy.web.prices import amount_of, price_of, price_text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("28", 28_00),
        ("28.5", 28_50),
        (" $28.00 ", 28_00),
        ("1,299.00", 1_299_00),
        ("28,50", 28_50),
        ("100,000,000", MAX_AMOUNT),
    ],
)
def test_typed_price_is_read(text: str, amount: int) -> None:
    price = price_of(text)

    assert price is not None
    assert price.amount == amount
    assert price_of(price_text(price)) == price


@pytest.mark.parametrize("text", ["", "0", "0.00", "-1", "1.234", "1e3", "free", "٣", "100,000,000.01", "1" * 20])
def test_other_text_is_not_a_price(text: str) -> None:
    assert price_of(text) is None


def test_price_has_two_digits_in_a_text_field() -> None:
    assert price_text(Money(28_05)) == "28.05"


def test_amount_may_be_zero() -> None:
    assert (amount_of("0"), amount_of("0.00"), amount_of("free")) == (0, 0, None)
