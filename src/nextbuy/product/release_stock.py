"""ReleaseStock: give back what a session holds; a release that comes before its hold forbids the hold."""

from nextbuy.contracts.product import ReleaseStock, StockReleased
from nextbuy.product.deps import Deps
from nextbuy.product.store.stock import release, state_of


async def release_stock(deps: Deps, call: ReleaseStock) -> StockReleased:
    """Give units back, once; what is sold stays sold."""
    given_back = await release(deps.database, call.session_id)
    if given_back is not None:
        deps.shelf.drop(given_back)
        return StockReleased("released")
    state = await state_of(deps.database, call.session_id)
    return StockReleased("sold" if state == "sold" else "released")
