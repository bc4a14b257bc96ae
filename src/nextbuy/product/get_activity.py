"""GET /product/api/get-activity/{product_id}: the views and sales of a product, at most a few seconds old."""

import time
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductNotFound
from nextbuy.product.store.activity import Counters


class GetActivity(Struct, frozen=True):
    """The id of a product."""

    product_id: UUID


async def get_activity(deps: Deps, _caller: Caller, request: GetActivity) -> Encoded[Counters]:
    """Show how often a product for sale was viewed and how many units were sold."""
    counters = await deps.counters.get(request.product_id, deps.database)
    if counters is None:
        raise ProductNotFound
    # Counts lag behind by definition; the reply is as they are known now.
    return Encoded(encode(counters), as_of=time.monotonic())
