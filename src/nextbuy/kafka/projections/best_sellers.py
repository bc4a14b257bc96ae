"""GET /kafka/api/best-sellers: what was bought most in the last thirty days."""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.values import Page
from nextbuy.kafka.best_sellers_cache import MOST
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.figures import BestSeller
from nextbuy.kit.http.caller import Caller


class BestSellers(Struct, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=MOST)] = 12


async def best_sellers(deps: Deps, _caller: Caller, request: BestSellers) -> Page[BestSeller]:
    """Return products by units sold, the best first; some of them may be sold out or gone by now."""
    return Page((await deps.best.items(deps.database))[: request.limit])
