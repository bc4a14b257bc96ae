"""The requests, replies and errors that several use cases of admin share."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import ShortText

NotificationNotFound: Final = NotFound.of("notification-not-found", "Notification not found.")


class AccountRef(Struct, frozen=True):
    """The id of an account to decide about."""

    user_id: UUID


class AccountDecision(Struct, frozen=True):
    """An account, and the reason for the decision about it."""

    user_id: UUID
    reason: ShortText


class ProductRef(Struct, frozen=True):
    """The id of a product to decide about."""

    product_id: UUID


class ProductDecision(Struct, frozen=True):
    """A product, and the reason for the decision about it."""

    product_id: UUID
    reason: ShortText


class DecidedProduct(Struct, frozen=True):
    """A product after the decision."""

    product: Product
