"""ValidateProducts: can all of these lines be bought, and at what price?"""

from nextbuy.contracts.product import ProductsValidated, ValidateProducts
from nextbuy.product.deps import Deps
from nextbuy.product.model import merged, priced
from nextbuy.product.store.products import offers


async def validate_products(deps: Deps, call: ValidateProducts) -> ProductsValidated:
    """Price lines in their owner's words; lines of the same product become one."""
    lines = merged(call.lines)
    return ProductsValidated(priced(lines, await offers(deps.database, [line.product_id for line in lines])))
