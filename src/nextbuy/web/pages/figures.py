"""`/figures`: sales and views of a seller's shop in the last days, by day and by product."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Money, Page
from nextbuy.web.api import secondary
from nextbuy.web.days import last_days
from nextbuy.web.visit import View, Visit

_DAYS: Final = 30
_PRODUCTS: Final = 50
"""Products in the table: as many as the API names at once."""


class Sums(Struct):
    """The sums of a shop in a period."""

    orders: int = 0
    units: int = 0
    views: int = 0
    turnover: Money = Money(0)


class Day(Sums, kw_only=True):
    """The sums of a day (UTC)."""

    day: date


class ProductSums(Struct):
    """The sums of a product in the period; a product that is not for sale has no title here."""

    product_id: UUID
    viewed: int
    added: int
    bought: int
    turnover: Money
    title: str = ""


class FiguresView(View):
    """The content of the page of figures; the titles of products may be unavailable."""

    days: list[Day]
    total: Sums
    products: list[ProductSums]
    titles: bool


class _Row(Struct):
    day: date
    orders: int
    units: int
    amount: int
    views: int


class _ProductRow(Struct):
    product_id: UUID
    viewed: int
    added: int
    bought: int
    amount: int


class _Figures(Struct):
    days: list[_Row]
    products: list[_ProductRow]


async def figures(visit: Visit) -> Response:
    """Show the figures."""
    await visit.require_account()
    period = last_days(_DAYS)
    since, until = str(period[0]), str(period[-1])
    found = await visit.api.get("/analytics/api/seller-figures", _Figures, since=since, until=until)
    rows = found.products[:_PRODUCTS]
    titles = await _titles(visit, rows)
    products = [
        ProductSums(
            row.product_id, row.viewed, row.added, row.bought, Money(row.amount), (titles or {}).get(row.product_id, "")
        )
        for row in rows
    ]
    days, total = _every_day(period, found.days)
    return await visit.page("figures", FiguresView(days, total, products, titles is not None))


def _every_day(period: Iterable[date], rows: Iterable[_Row]) -> tuple[list[Day], Sums]:
    """Return the sums of each day, also of days on which nothing happened; and the total."""
    days = {day: Day(day=day) for day in period}
    total = Sums()
    for row in rows:
        for sums in (days[row.day], total):
            sums.orders += row.orders
            sums.units += row.units
            sums.views += row.views
            sums.turnover = Money(sums.turnover.amount + row.amount)
    return list(days.values()), total


async def _titles(visit: Visit, rows: Sequence[_ProductRow]) -> dict[UUID, str] | None:
    """Return the titles of the products that are for sale; None if they are unavailable."""
    if not rows:
        return {}
    ids = ",".join(str(row.product_id) for row in rows)
    found = await secondary(visit.api.get("/product/api/get-products", Page[PublicProduct], ids=ids))
    return None if found is None else {one.id: one.title for one in found.items}
