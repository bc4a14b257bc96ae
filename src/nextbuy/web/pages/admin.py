"""`/admin`: the work that waits for an admin, the figures of the last days, and the projections."""

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, Forbidden
from nextbuy.contracts.values import Money, Page, Role, total
from nextbuy.web.api import Api, Ignored, secondary
from nextbuy.web.days import last_days
from nextbuy.web.forms import form_key
from nextbuy.web.visit import View, Visit

DAYS: Final = 14
"""Days of the figures: two weeks, so that a day can be compared with that of the week before."""
STUCK_SERVICES: Final = ("order", "notification", "kafka")
"""The services that list stuck work."""
_COUNTED: Final = 50
"""Items of a list that are counted; more are shown as `50+`."""
_RUNNING: Final = frozenset({"requested", "reading"})


class Waiting(Struct):
    """The number of items in a list of things to do; with `more`, there are others."""

    number: int
    more: bool = False


class Day(Struct):
    """The sums of one day (UTC) over all shops."""

    day: date
    orders: int = 0
    units: int = 0
    turnover: Money = Money(0)
    """The price of the placed orders."""
    refunds: Money = Money(0)
    """The price of the refunded orders."""
    views: int = 0


class Rebuild(Struct):
    """The latest rebuild of a projection: it has read `read` of `of` positions of the event logs."""

    state: str
    read: int
    of: int
    error: str

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state in _RUNNING


class Projection(Struct):
    """A projection, which can be rebuilt from the event logs."""

    name: str
    generation: int
    events: int
    rebuild: Rebuild | None


class AdminView(View):
    """The content of the overview; each part may be unavailable."""

    products: Waiting | None
    shops: Waiting | None
    dead_letters: Waiting | None
    stuck: Waiting | None
    days: list[Day] | None
    projections: list[Projection] | None
    done: str
    error: str


class _Counted(Struct):
    items: list[Ignored]
    next_cursor: str | None


class _TopicDay(Struct):
    day: date
    topic: str
    events: int
    units: int
    amount: int


async def require_admin(visit: Visit) -> Account:
    """Return the account of the admin; raises Unauthenticated without an account, Forbidden for other roles."""
    account = await visit.require_account()
    if account.role is not Role.ADMIN:
        raise Forbidden("This page is for admins of the marketplace. Sign in with an admin's account.")
    return account


async def admin(visit: Visit) -> Response:
    """Show the work that waits, the figures and the projections."""
    return await _page(visit, done="rebuild" if visit.request.query_params.get("done") == "rebuild" else "")


async def rebuild_projection(visit: Visit) -> Response:
    """Request the rebuild of a projection."""
    await require_admin(visit)
    form = await visit.form()
    path = f"/analytics/api/projections/{form.get('name', '')}/rebuild"
    try:
        await visit.api.send("POST", path, {}, Ignored, key=form_key(form))
    except AppError as error:
        if error.transient:
            raise
        return await _page(visit, error=error.detail, status=error.status)
    return visit.redirect("/admin?done=rebuild#projections")


async def _page(visit: Visit, *, done: str = "", error: str = "", status: int = 200) -> Response:
    await require_admin(visit)
    api, days = visit.api, last_days(DAYS)
    products, shops, dead_letters, stuck, figures, projections = await asyncio.gather(
        _count(api, "/admin/api/get-pending-products"),
        _count(api, "/admin/api/get-pending-sellers"),
        _count(api, "/kafka/api/dead-letters", status="waiting"),
        asyncio.gather(*(_count(api, f"/{service}/api/stuck") for service in STUCK_SERVICES)),
        secondary(api.get("/analytics/api/daily-figures", Page[_TopicDay], since=str(days[0]), until=str(days[-1]))),
        secondary(api.get("/analytics/api/projections", Page[Projection])),
    )
    view = AdminView(
        products,
        shops,
        dead_letters,
        _sum(stuck),
        None if figures is None else _by_day(days, figures.items),
        None if projections is None else projections.items,
        done,
        error,
    )
    return await visit.page("admin", view, status=status)


async def _count(api: Api, path: str, **query: str) -> Waiting | None:
    found = await secondary(api.get(path, _Counted, limit=_COUNTED, **query))
    return None if found is None else Waiting(len(found.items), found.next_cursor is not None)


def _sum(counts: Iterable[Waiting | None]) -> Waiting | None:
    """Return the sum; None if a part is unavailable."""
    found = Waiting(0)
    for count in counts:
        if count is None:
            return None
        found = Waiting(found.number + count.number, found.more or count.more)
    return found


def _by_day(days: Iterable[date], rows: Iterable[_TopicDay]) -> list[Day]:
    """Return the sums of each day, also of days on which nothing happened."""
    sums = {day: Day(day) for day in days}
    for row in rows:
        day = sums[row.day]
        match row.topic:
            case "order.created":
                day.orders += row.events
                day.units += row.units
                day.turnover = total([day.turnover, Money(row.amount)])
            case "order.refunded":
                day.refunds = total([day.refunds, Money(row.amount)])
            case "product.viewed":
                day.views += row.units
    return list(sums.values())
