"""GET /kafka/api/seller-figures: what a seller's own shop did, by day and by product."""

from datetime import UTC, date, datetime, time, timedelta

from msgspec import UNSET, Struct, UnsetType

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.figures import ProductSum, ShopDay
from nextbuy.kafka.projections.date_ranges import date_range
from nextbuy.kafka.store import figures as tables
from nextbuy.kit.http.caller import Caller

_PRODUCTS = 100


class SellerFigures(Struct, frozen=True):
    """Which days; the last seven where none are named."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


class SellerFiguresShown(Struct, frozen=True):
    """Days on which anything happened, newest first, and the products that brought most (at most 100)."""

    days: list[ShopDay]
    products: list[ProductSum]


async def seller_figures(deps: Deps, caller: Caller, request: SellerFigures) -> SellerFiguresShown:
    """Return the figures of the caller's shop; there are none where there is no shop."""
    account = await deps.auth.validate_user(caller.token)
    since, until = date_range(request.since, request.until)
    shops = await tables.shops_of(deps.database, account.id)
    if not shops:
        return SellerFiguresShown([], [])
    begin = datetime.combine(since, time(), UTC)
    end = datetime.combine(until, time(), UTC) + timedelta(days=1)
    return SellerFiguresShown(
        await tables.shop_days(deps.database, shops, since, until),
        await tables.products_of_shops(deps.database, shops, begin, end, limit=_PRODUCTS),
    )
