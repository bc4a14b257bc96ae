"""Call ValidateProducts: price the lines of a basket."""

from nextbuy.contracts.product import ProductsValidated, ValidateProducts
from nextbuy.product.deps import Deps
from nextbuy.product.model import check_lines, price_lines
from nextbuy.product.store.products import get_offers


async def validate_products(deps: Deps, call: ValidateProducts) -> ProductsValidated:
    """Return the lines with their titles, shops and prices; lines of the same product are merged."""
    lines = check_lines(call.lines)
    return ProductsValidated(price_lines(lines, await get_offers(deps.database, [line.product_id for line in lines])))
