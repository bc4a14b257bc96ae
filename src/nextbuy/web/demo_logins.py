"""The logins that the sign-in page offers as buttons if the marketplace has demo data.

They are public on purpose. A test compares them with the demo market, which pages may not import.
"""

from typing import Final

from msgspec import Struct


class DemoLogin(Struct, frozen=True):
    """An account that a visitor may use."""

    name: str
    role: str
    email: str
    password: str


_PASSWORD: Final = "demo-market-2026"  # noqa: S105  public

DEMO_LOGINS: Final = (
    DemoLogin("Maya", "buyer", "maya@demo.nextbuy.test", _PASSWORD),
    DemoLogin("Ines", "seller", "ines@demo.nextbuy.test", _PASSWORD),
    DemoLogin("Noor", "admin", "admin@demo.nextbuy.test", _PASSWORD),
)
