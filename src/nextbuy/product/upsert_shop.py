"""Call UpsertShop: store the name and status of a shop; only products of approved shops are for sale."""

from nextbuy.contracts.product import UpsertShop
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.store import shops


async def upsert_shop(deps: Deps, call: UpsertShop) -> Nothing:
    """Store the state of a shop, unless a later version is stored."""
    await shops.upsert_shop(deps.database, call)
    return Nothing()
