"""Amounts of money as text for people."""

from typing import Final

from nextbuy.contracts.values import Money

# ISO 4217: currencies with no digits, or three, after the decimal point; all others have two.
_NO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
_SYMBOLS: Final = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}


def format_money(money: Money) -> str:
    """Return an amount as in English text: `$1,234.50`, `¥500`, `CHF 10.00`."""
    digits = 0 if money.currency in _NO_DIGITS else 3 if money.currency in _THREE_DIGITS else 2
    whole, fraction = divmod(abs(money.amount), 10**digits)
    sign = "-" if money.amount < 0 else ""
    symbol = _SYMBOLS.get(money.currency, f"{money.currency} ")
    return f"{sign}{symbol}{whole:,}" + (f".{fraction:0{digits}}" if digits else "")
