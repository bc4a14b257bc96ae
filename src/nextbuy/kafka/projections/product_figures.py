"""GET /kafka/api/product-figures/{product_id}: what became of a product, by hour; for its seller, and admins."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.values import Page, Role
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.figures import ProductHour
from nextbuy.kafka.store import figures as tables
from nextbuy.kit.clock import utc_now
from nextbuy.kit.http.caller import Caller

_MOST_DAYS: Final = 31


class ProductFigures(Struct, frozen=True):
    """Of which product, and how many days back."""

    product_id: UUID
    days: Annotated[int, Meta(ge=1, le=_MOST_DAYS)] = 7


async def product_figures(deps: Deps, caller: Caller, request: ProductFigures) -> Page[ProductHour]:
    """Return the hours in which anything happened, newest first; to a seller only those of the own shop's products."""
    account = await deps.auth.validate_user(caller.token)
    shops = None if account.role is Role.ADMIN else await tables.shops_of(deps.database, account.id)
    since = utc_now() - timedelta(days=request.days)
    limit = 24 * _MOST_DAYS + 1
    return Page(await tables.product_hours(deps.database, request.product_id, since, shops, limit=limit))
