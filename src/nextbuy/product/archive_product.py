"""POST /product/api/archive-product/{product_id}: withdraw a product, whose page is then gone (410)."""

from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductRef, ProductReply
from nextbuy.product.own_products import set_archived


async def archive_product(deps: Deps, caller: Caller, request: ProductRef) -> ProductReply:
    """Archive one of the caller's own products. Units in unpaid checkouts may still be bought.

    Raises:
        NotFound: the product does not exist, or belongs to another seller.
    """
    return await set_archived(deps, caller, request.product_id, archived=True)
