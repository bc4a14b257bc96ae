"""Prices as people type them."""

import re
from typing import Final

from nextbuy.contracts.values import MAX_AMOUNT, Money, Price

_THOUSANDS: Final = re.compile(r",(?=\d{3}(?:\D|$))", re.ASCII)
_PRICE: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)


def price_of(text: str) -> Price | None:
    """Return a typed price, such as `28`, `$28.50` or `1,299.00`; None if it is invalid."""
    plain = _THOUSANDS.sub("", text.strip().removeprefix("$").lstrip()).replace(",", ".")
    match = _PRICE.fullmatch(plain)
    amount = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else 0
    return Price(amount) if 0 < amount <= MAX_AMOUNT else None


def price_text(price: Money) -> str:
    """Return a price for a text field, such as `28.00`."""
    return f"{price.amount // 100}.{price.amount % 100:02}"
