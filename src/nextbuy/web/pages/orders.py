"""`/orders` and `/order/{id}`: the orders of a buyer; a seller and an admin see single orders too."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.order import Address
from nextbuy.contracts.values import Money, Page
from nextbuy.web.api import Api, secondary
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


class OrderShop(Struct):
    """The shop of an order."""

    id: UUID
    slug: str
    name: str


OrderShops = dict[UUID, OrderShop] | None
"""The shops of orders by their ids, without closed ones; None if they are unavailable."""


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


class OwnOrdersView(OrdersView):
    """The content of the list of a buyer's own orders."""

    shops: OrderShops


class OrderView(View):
    """The content of the page of an order; the timeline may be unavailable."""

    order: Order
    shops: OrderShops
    timeline: list[TimelineEntry] | None


async def orders(visit: Visit) -> Response:
    """Show the buyer's orders."""
    await visit.require_account()
    cursor = visit.request.query_params.get("cursor", "")
    listed = await visit.api.get("/order/api/user-orders", Page[ListedOrder], limit=20, cursor=cursor)
    shops = await read_shops(visit.api, listed.items)
    return await visit.page("orders", OwnOrdersView(listed, not cursor, shops))


async def order(visit: Visit) -> Response:
    """Show an order."""
    await visit.require_account()
    key = visit.request.path_params["order_id"]
    (found, shops), timeline = await asyncio.gather(
        _order_with_shop(visit.api, key), secondary(visit.api.get(f"/order/api/order-timeline/{key}", Timeline))
    )
    return await visit.page("order", OrderView(found, shops, timeline.items if timeline is not None else None))


async def read_shops(api: Api, orders: Sequence[ListedOrder]) -> OrderShops:
    """Return the shops of a page of orders, or of the orders of a checkout."""
    ids = dict.fromkeys(str(order.shop_id) for order in orders)
    if not ids:
        return {}
    found = await secondary(api.get("/seller/api/get-shops", Page[OrderShop], ids=",".join(ids)))
    return None if found is None else {shop.id: shop for shop in found.items}


async def _order_with_shop(api: Api, key: str) -> tuple[Order, OrderShops]:
    found = (await api.get(f"/order/api/order-details/{key}", OrderFound)).order
    return found, await read_shops(api, [found])
