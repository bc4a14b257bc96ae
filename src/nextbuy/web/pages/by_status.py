"""`/admin/orders`: the numbers of orders and payments by status, and the list of one status, for admins."""

import asyncio
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.order import reason_text
from nextbuy.contracts.values import Page
from nextbuy.web.api import secondary
from nextbuy.web.pages.admin import require_admin
from nextbuy.web.visit import View, Visit

PATH: Final = "/admin/orders"
_LIMIT: Final = 50
_MAX_STATUS: Final = 40
_FIRST: Final = {"order": "paid", "payment": "failed"}
"""The status that is listed if none is chosen, by kind."""


class Count(Struct):
    """The number of orders or payments with a status; `more` means that there are more than `count`."""

    status: str
    count: int
    more: bool


class Counts(Struct):
    """The numbers of orders and payments by status."""

    orders: list[Count]
    payments: list[Count]


class Entry(Struct):
    """An order or a payment; the title is the number of the order, or the amount."""

    id: str
    title: str
    status: str
    reason: str
    person_id: str | None
    at: datetime


class ByStatusView(View):
    """The content of the page: the numbers, if they are available, and a page of the list."""

    counts: Counts | None
    kind: str
    status: str
    entries: list[Entry]
    first_page: str
    next_page: str
    first: bool


async def by_status(visit: Visit) -> Response:
    """Show the orders or the payments with one status."""
    await require_admin(visit)
    query = visit.request.query_params
    kind = "payment" if query.get("kind") == "payment" else "order"
    status, cursor = query.get("status", "")[:_MAX_STATUS] or _FIRST[kind], query.get("cursor", "")
    page, counts = await asyncio.gather(
        visit.api.get("/admin/api/list-by-status", Page[Entry], kind=kind, status=status, limit=_LIMIT, cursor=cursor),
        secondary(visit.api.get("/admin/api/count-by-status", Counts)),
    )
    for entry in page.items:
        entry.reason = reason_text(entry.reason)
    place = {"kind": kind, "status": status}
    view = ByStatusView(
        counts,
        kind,
        status,
        page.items,
        f"{PATH}?{urlencode(place)}",
        f"{PATH}?{urlencode({**place, 'cursor': page.next_cursor})}" if page.next_cursor else "",
        not cursor,
    )
    return await visit.page("by_status", view)
