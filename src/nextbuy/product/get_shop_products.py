"""GET /product/api/get-shop-products: a seller's own products, in every state, with what is held and sold."""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kit.web import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import of_seller
from nextbuy.product.store.products import OwnProduct


class GetShopProducts(PageAsk, frozen=True):
    """Which part of the list."""


async def get_shop_products(product: Deps, caller: Caller, ask: GetShopProducts) -> Page[OwnProduct]:
    """List one's own products, latest first."""
    await product.auth.validate_seller(caller.token)
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await of_seller(product.database, caller.account_id, limit=ask.limit, cursor=cursor)
