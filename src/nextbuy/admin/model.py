"""What admin's acts have in common: notifications, and what an admin says with a decision."""

from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Cursor, ShortText


class NoSuchNotification(NotFound):
    """There is no such notification."""

    slug = "no-such-notification"


class OfAccount(Struct, frozen=True):
    """Which account."""

    user_id: UUID


class OfAccountBecause(Struct, frozen=True):
    """Which account, and why."""

    user_id: UUID
    reason: ShortText


class OfProduct(Struct, frozen=True):
    """Which product."""

    product_id: UUID


class OfProductBecause(Struct, frozen=True):
    """Which product, and why."""

    product_id: UUID
    reason: ShortText


class ProductDecided(Struct, frozen=True):
    """A product, as a decision left it."""

    product: Product


def cursor_or_none(cursor: Cursor | UnsetType) -> str | None:
    """Return where a list goes on, or None at its beginning."""
    return None if cursor is UNSET else cursor
