"""What admin's acts have in common: notifications, and what an admin says with a decision."""

from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Cursor, ShortText


class NoSuchNotification(NotFound):
    """There is no such notification."""

    slug = "no-such-notification"


class Notification(Struct, frozen=True):
    """Something that the admins should know; one for each event and kind."""

    id: UUID
    kind: str
    title: str
    message: str
    link: str
    source_event_id: UUID
    read: bool
    created_at: datetime


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
