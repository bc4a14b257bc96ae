"""GET /analytics/api/seller-figures: orders, sales and views of the caller's shop, by day and by product."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from nextbuy.analytics.aggregates import ProductTotal, ShopDay
from nextbuy.analytics.date_ranges import date_range
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.store import aggregates as tables
from nextbuy.kit.http.caller import Caller

_MAX_PRODUCTS: Final = 100


class GetSellerFigures(Struct, frozen=True):
    """A range of days; the last seven by default."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


class SellerFigures(Struct, frozen=True):
    """Days with orders or views, newest first, and the products with the highest revenue, at most 100."""

    days: list[ShopDay]
    products: list[ProductTotal]


async def seller_figures(deps: Deps, caller: Caller, request: GetSellerFigures) -> SellerFigures:
    """Return the figures of the caller's shop; they are empty without a shop.

    Raises:
        Unprocessable: the range of days is invalid.
    """
    account = await deps.auth.validate_user(caller)
    since, until = date_range(request.since, request.until)
    shops = await tables.shops_of(deps.database, account.id)
    if not shops:
        return SellerFigures([], [])
    start = datetime.combine(since, time(), UTC)
    end = datetime.combine(until, time(), UTC) + timedelta(days=1)
    return SellerFigures(
        await tables.shop_days(deps.database, shops, since, until),
        await tables.product_totals(deps.database, shops, start, end, limit=_MAX_PRODUCTS),
    )
