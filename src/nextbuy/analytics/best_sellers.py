"""GET /analytics/api/best-sellers: the products with the most sold units of the last thirty days."""

import time
from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.analytics.aggregates import BestSeller
from nextbuy.analytics.best_sellers_cache import MAX_ITEMS
from nextbuy.analytics.deps import Deps
from nextbuy.contracts.values import Page
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded, encode


class GetBestSellers(Struct, frozen=True):
    """The number of products to return."""

    limit: Annotated[int, Meta(ge=1, le=MAX_ITEMS)] = 12


async def best_sellers(deps: Deps, _caller: Caller, request: GetBestSellers) -> Encoded[Page[BestSeller]]:
    """List products by sold units, the best first; they may be sold out or no longer for sale."""
    items = await deps.best_sellers.items(deps.database)
    # A sum over thirty days lags behind by definition; the reply is as it is known now.
    return Encoded(encode(Page(items[: request.limit])), as_of=time.monotonic())
