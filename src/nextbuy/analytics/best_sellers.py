"""GET /analytics/api/best-sellers: the products with the most sold units of the last thirty days."""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.analytics.aggregates import BestSeller
from nextbuy.analytics.best_sellers_cache import MAX_ITEMS
from nextbuy.analytics.deps import Deps
from nextbuy.contracts.values import Page
from nextbuy.kit.http.caller import Caller


class GetBestSellers(Struct, frozen=True):
    """The number of products to return."""

    limit: Annotated[int, Meta(ge=1, le=MAX_ITEMS)] = 12


async def best_sellers(deps: Deps, _caller: Caller, request: GetBestSellers) -> Page[BestSeller]:
    """List products by sold units, the best first; they may be sold out or no longer for sale."""
    return Page((await deps.best_sellers.items(deps.database))[: request.limit])
