"""POST /product/api/duplicate-product/{product_id}: copy a product into a new one, off sale and without stock."""

from msgspec.structs import replace

from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import (
    ProductNotFound,
    ProductRef,
    ProductReply,
    admin_reason,
    require_admin_review,
    require_listing_allowed,
)
from nextbuy.product.new_product import ProductFields, moderated_product, store_product
from nextbuy.product.store.products import read


async def duplicate_product(deps: Deps, caller: Caller, request: ProductRef) -> ProductReply:
    """Copy one of the caller's own products. The copy is reviewed as a new product is.

    Raises:
        NotFound: the product does not exist, or belongs to another seller.
        Forbidden: the shop was rejected or suspended.
    """
    account = await deps.auth.validate_seller(caller)
    shop = await deps.seller.validate_shop_owner(account.id)
    require_listing_allowed(shop)
    owned = await read(deps.database, request.product_id, public=False)
    if owned is None or owned.seller_id != account.id:
        raise ProductNotFound
    source = owned.product
    fields = ProductFields(source.title, source.description, source.category, source.price, stock=0, tags=source.tags)
    copy = replace(moderated_product(deps, fields, shop), on_sale=False)
    rejection = admin_reason(source.moderation) if source.status != "active" else ""
    if rejection:
        # A copy must not evade the decision of an admin.
        verdict = require_admin_review(copy.moderation, rejection)
        copy = replace(copy, status=verdict.decision, moderation=verdict)
    return await store_product(deps, caller, copy, shop)
