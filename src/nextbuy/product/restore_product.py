"""POST /product/api/restore-product/{product_id}: take a product out of the archive, off sale."""

from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductRef, ProductReply
from nextbuy.product.own_products import set_archived


async def restore_product(deps: Deps, caller: Caller, request: ProductRef) -> ProductReply:
    """Restore one of the caller's own products, off sale.

    Raises:
        NotFound: the product does not exist, or belongs to another seller.
    """
    return await set_archived(deps, caller, request.product_id, archived=False)
