"""Call ReleaseStock: release the units that a payment session holds."""

from nextbuy.contracts.product import ReleaseStock, StockReleased
from nextbuy.product.deps import Deps
from nextbuy.product.store.stock import get_state, release


async def release_stock(deps: Deps, call: ReleaseStock) -> StockReleased:
    """Release a payment session's units, once. Sold units stay sold; a release before the hold forbids the hold."""
    product_ids = await release(deps.database, call.session_id)
    if product_ids is not None:
        deps.cache.invalidate(product_ids)
        return StockReleased("released")
    state = await get_state(deps.database, call.session_id)
    return StockReleased("sold" if state == "sold" else "released")
