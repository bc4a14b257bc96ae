"""The shop and the products of the seller who visits a page."""

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import Product
from nextbuy.contracts.seller import Shop
from nextbuy.web.api import Api


class OwnProduct(Product, frozen=True, kw_only=True):
    """A product as its seller sees it in a list, with the units that are held and sold."""

    held: int
    sold: int


class _MyShop(Struct):
    shop: Shop


async def own_shop(api: Api) -> Shop | None:
    """Return the visitor's shop; None before it is opened.

    Raises:
        Forbidden: the visitor is not a seller.
    """
    try:
        return (await api.get("/seller/api/my-shop", _MyShop)).shop
    except NotFound:
        return None
