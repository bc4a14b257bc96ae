"""Call ValidateProducts: price the lines of a basket."""

from msgspec.structs import replace

from nextbuy.contracts.product import ProductsValidated, ValidateProducts
from nextbuy.product.deps import Deps
from nextbuy.product.model import check_lines, price_lines
from nextbuy.product.store.products import get_offers
from nextbuy.product.store.stock import get_held_units


async def validate_products(deps: Deps, call: ValidateProducts) -> ProductsValidated:
    """Return the lines with their titles, shops and prices; lines of the same product are merged.

    Units that the session to be replaced holds count as available.
    """
    lines = check_lines(call.lines)
    offers = await get_offers(deps.database, [line.product_id for line in lines])
    for product_id, units in (await get_held_units(deps.database, call.replaces)).items():
        if product_id in offers:
            offers[product_id] = replace(offers[product_id], stock=offers[product_id].stock + units)
    return ProductsValidated(price_lines(lines, offers))
