"""GET /product/api/get-shop-products: the caller's own products, with held and sold units.

With filters, a page may have fewer items than its limit, even none, and still have a cursor (`get_all_products.py`).
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import OwnFilters, OwnStatus
from nextbuy.product.store.lists import list_by_seller
from nextbuy.product.store.products import OwnProduct

_ANY_STOCK: Final = 2**31 - 1


class GetShopProducts(PageRequest, frozen=True, kw_only=True):
    """Filters: a part of the title, a status, and the highest number of units in stock."""

    q: Annotated[str, Meta(max_length=200, description="A part of the title.")] = ""
    status: (
        Annotated[
            OwnStatus,
            Meta(description="A decision of moderation about products on sale, or off-sale, or archived."),
        ]
        | UnsetType
    ) = UNSET
    stock_max: Annotated[
        int, Meta(ge=0, le=_ANY_STOCK, description="The highest number of units in stock.", examples=[5])
    ] = _ANY_STOCK


async def get_shop_products(deps: Deps, caller: Caller, request: GetShopProducts) -> Page[OwnProduct]:
    """List the caller's own products, newest first; archived ones only with their status."""
    await deps.auth.validate_seller(caller)
    filters = OwnFilters(
        title=request.q, status=None if request.status is UNSET else request.status, stock_max=request.stock_max
    )
    return await list_by_seller(deps.database, caller.account_id, filters, limit=request.limit, cursor=request.start)
