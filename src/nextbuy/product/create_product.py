"""POST /product/api/create-product: list a product for sale, subject to automatic moderation.

A shop that waits for approval may list products; buyers see them once the shop is approved.
"""

from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductReply, require_listing_allowed
from nextbuy.product.new_product import ProductFields, moderated_product, store_product


class CreateProduct(ProductFields, frozen=True):
    """The fields of a new product."""


async def create_product(deps: Deps, caller: Caller, request: CreateProduct) -> ProductReply:
    """List a product for sale.

    Raises:
        Forbidden: the seller has no shop (`shop-required`), or it was rejected or suspended.
    """
    account = await deps.auth.validate_seller(caller)
    shop = await deps.seller.validate_shop_owner(account.id)
    require_listing_allowed(shop)
    return await store_product(deps, caller, moderated_product(deps, request, shop), shop)
