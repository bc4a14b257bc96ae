"""The call for the products of a basket, which product answers."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.checks import require_each
from nextbuy.contracts.message import Call
from nextbuy.contracts.values import MAX_LINES, LocalPath, Price, ProductTitle, ShopName, ShopSlug, Slug, StoredStock


class ProductOffer(Struct, frozen=True, kw_only=True):
    """A product that is for sale now, as a basket shows it; `stock` is the number of units that can be bought."""

    product_id: UUID
    shop_id: UUID
    shop_name: ShopName
    shop_slug: ShopSlug
    slug: Slug
    title: Annotated[ProductTitle, Meta(min_length=1)]
    unit_price: Price
    stock: StoredStock
    picture: LocalPath


class Offers(Struct, frozen=True):
    """The requested products that are for sale, in any order, and the ids of those that are not."""

    offers: Annotated[list[ProductOffer], Meta(max_length=MAX_LINES)]
    missing: Annotated[list[UUID], Meta(max_length=MAX_LINES)]


class GetOffers(Call[Offers], to="product", name="get-offers", callers=("order",), idempotent=True):
    """Get the products of a basket, with their prices and stock; no error if some are not for sale."""

    product_ids: Annotated[list[UUID], Meta(min_length=1, max_length=MAX_LINES)]


def require_offers(product_ids: list[UUID], reply: Offers) -> None:
    """Check that each requested product is either offered or missing."""
    require_each("offers[{}].product_id", [offer.product_id for offer in reply.offers], reply.missing, product_ids)
