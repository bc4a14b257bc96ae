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
from nextbuy.kit.web import Caller

_MOST_DAYS: Final = 31


class ProductFigures(Struct, frozen=True):
    """Of which product, and how many days back."""

    product_id: UUID
    days: Annotated[int, Meta(ge=1, le=_MOST_DAYS)] = 7


async def product_figures(kafka: Deps, caller: Caller, ask: ProductFigures) -> Page[ProductHour]:
    """Return the hours in which anything happened, newest first; to a seller only those of the own shop's products."""
    account = await kafka.auth.validate_user(caller.token)
    shops = None if account.role is Role.ADMIN else await tables.shops_of(kafka.database, account.id)
    since = utc_now() - timedelta(days=ask.days)
    limit = 24 * _MOST_DAYS + 1
    return Page(await tables.product_hours(kafka.database, ask.product_id, since, shops, limit=limit))
