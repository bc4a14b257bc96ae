"""POST /product/api/record-activity: a page tells what was looked at, and what was put into a basket.

Nothing is written here and nobody waits: what is told is counted in this process, and written down within about a
second. Where it is lost meanwhile, a view is lost, and no more.
"""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.values import Nothing
from nextbuy.kit.clock import utc_now
from nextbuy.kit.http.caller import Caller
from nextbuy.product.activity import Action, counted
from nextbuy.product.deps import Deps


class Done(Struct, frozen=True):
    """One thing that somebody did."""

    product_id: UUID
    action: Action


class RecordActivity(Struct, frozen=True):
    """What was done."""

    items: Annotated[list[Done], Meta(min_length=1, max_length=50)]


async def record_activity(deps: Deps, _caller: Caller, request: RecordActivity) -> Nothing:
    """Count what was done with products, once for each item; a product that is not for sale is passed over later."""
    deps.activities.add(counted(((done.product_id, done.action) for done in request.items), utc_now()))
    return Nothing()
