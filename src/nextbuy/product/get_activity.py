"""GET /product/api/get-activity/{product_id}: how often a product was seen and sold, a few seconds late at most."""

from uuid import UUID

from msgspec import Struct

from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import no_such_product
from nextbuy.product.store.activity import Counters


class GetActivity(Struct, frozen=True):
    """Of which product."""

    product_id: UUID


async def get_activity(deps: Deps, _caller: Caller, request: GetActivity) -> Counters:
    """Return the counters of a product that anyone may see; `NotFound` where it is none."""
    found = await deps.counters.of(request.product_id, deps.database)
    if found is None:
        raise no_such_product(request.product_id)
    return found
