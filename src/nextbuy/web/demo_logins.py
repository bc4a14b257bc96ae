"""The logins that the sign-in page offers as buttons where the marketplace has demo data.

They are public by intent, and the same as those of the demo market, which no page may import (a test compares the two).
"""

from typing import Final

from msgspec import Struct


class DemoLogin(Struct, frozen=True):
    """Somebody whom a visitor may be for a while."""

    name: str
    role: str
    email: str
    password: str


_PASSWORD: Final = "demo-market-2026"  # noqa: S105 (public, as above)

DEMO_LOGINS: Final = (
    DemoLogin("Maya", "buyer", "maya@demo.nextbuy.test", _PASSWORD),
    DemoLogin("Ines", "seller", "ines@demo.nextbuy.test", _PASSWORD),
    DemoLogin("Noor", "admin", "admin@demo.nextbuy.test", _PASSWORD),
)
