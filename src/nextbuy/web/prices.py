"""Prices as people type them."""

import re
from typing import Final

from nextbuy.contracts.values import MAX_AMOUNT, Money, Price

_THOUSANDS: Final = re.compile(r",(?=\d{3}(?:\D|$))", re.ASCII)
_PRICE: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)


def amount_of(text: str) -> int | None:
    """Return a typed amount, such as `28`, `$28.50` or `1,299.00`, in minor units; None if it is invalid."""
    plain = _THOUSANDS.sub("", text.strip().removeprefix("$").lstrip()).replace(",", ".")
    match = _PRICE.fullmatch(plain)
    if match is None:
        return None
    amount = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    return amount if amount <= MAX_AMOUNT else None


def price_of(text: str) -> Price | None:
    """Return a typed price; None if it is invalid or zero."""
    amount = amount_of(text)
    return Price(amount) if amount else None


def price_text(price: Money) -> str:
    """Return a price for a text field, such as `28.00`."""
    return f"{price.amount // 100}.{price.amount % 100:02}"
