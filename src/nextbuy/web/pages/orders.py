"""`/orders` and `/order/{id}`: the orders of a buyer; a seller and an admin see single orders too."""

import asyncio
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.order import Address
from nextbuy.contracts.values import Money, Page
from nextbuy.web.api import secondary
from nextbuy.web.visit import View, Visit


class OrderLine(Struct):
    """A line of an order."""

    product_id: UUID
    title: str
    quantity: int
    unit_price: Money


class ListedOrder(Struct):
    """An order in a list."""

    id: UUID
    number: str
    shop_id: UUID
    status: str
    total: Money
    created_at: datetime


class Order(ListedOrder):
    """An order with its lines."""

    lines: list[OrderLine]
    address: Address | None = None


class OrderFound(Struct):
    """The order of a reply."""

    order: Order


class TimelineDetails(Struct):
    """The amount and the reason of an event, if it has them."""

    total: Money | None = None
    reason: str | None = None


class TimelineEntry(Struct):
    """An event of an order."""

    title: str
    at: datetime
    details: TimelineDetails
    correlation_id: str | None = None


class Timeline(Struct):
    """The events of a reply."""

    items: list[TimelineEntry]


class OrdersView(View):
    """The content of the list of orders."""

    orders: Page[ListedOrder]
    first: bool


class OrderView(View):
    """The content of the page of an order; the timeline may be unavailable."""

    order: Order
    timeline: list[TimelineEntry] | None


async def orders(visit: Visit) -> Response:
    """Show the buyer's orders."""
    await visit.require_account()
    cursor = visit.request.query_params.get("cursor", "")
    listed = await visit.api.get("/order/api/user-orders", Page[ListedOrder], limit=20, cursor=cursor)
    return await visit.page("orders", OrdersView(listed, not cursor))


async def order(visit: Visit) -> Response:
    """Show an order."""
    await visit.require_account()
    key = visit.request.path_params["order_id"]
    found, timeline = await asyncio.gather(
        visit.api.get(f"/order/api/order-details/{key}", OrderFound),
        secondary(visit.api.get(f"/order/api/order-timeline/{key}", Timeline)),
    )
    return await visit.page("order", OrderView(found.order, timeline.items if timeline is not None else None))
