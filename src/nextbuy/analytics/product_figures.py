"""GET /analytics/api/product-figures/{product_id}: views and sales of a product by hour, for its seller and admins."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.analytics.aggregates import ProductHour
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.store import aggregates as tables
from nextbuy.contracts.values import Page, Role
from nextbuy.kit.clock import utc_now
from nextbuy.kit.http.caller import Caller

_MAX_DAYS: Final = 31


class GetProductFigures(Struct, frozen=True):
    """A product, and the number of past days."""

    product_id: UUID
    days: Annotated[int, Meta(ge=1, le=_MAX_DAYS)] = 7


async def product_figures(deps: Deps, caller: Caller, request: GetProductFigures) -> Page[ProductHour]:
    """Return the hours with views or sales, newest first; a seller gets only their own products."""
    account = await deps.auth.validate_user(caller)
    shops = None if account.role is Role.ADMIN else await tables.shops_of(deps.database, account.id)
    since = utc_now() - timedelta(days=request.days)
    limit = 24 * _MAX_DAYS + 1
    return Page(await tables.product_hours(deps.database, request.product_id, since, shops, limit=limit))
