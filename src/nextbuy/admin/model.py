"""The requests, replies and errors that several use cases of admin share."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import ShortText, Tagged

NotificationNotFound: Final = NotFound.of("notification-not-found", "Notification not found.")


class AccountRef(Struct, frozen=True):
    """A request that names only an account, to approve or reinstate it."""

    user_id: UUID


class AccountDecision(Struct, frozen=True):
    """A request to suspend, reinstate or reject an account, with the reason."""

    user_id: UUID
    reason: ShortText


class ProductRef(Struct, frozen=True):
    """A request that names only a product, to approve it."""

    product_id: UUID


class ProductDecision(Struct, frozen=True):
    """A request to reject a product, with the reason."""

    product_id: UUID
    reason: ShortText


class DecidedProduct(Tagged, frozen=True):
    """The reply to a decision: the product with its new status."""

    product: Product

    @property
    def etag(self) -> str:
        """The product's version."""
        return self.product.etag
