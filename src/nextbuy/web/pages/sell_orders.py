"""`/sell/orders`: the orders of a seller's shop."""

from starlette.responses import Response

from nextbuy.contracts.values import Page
from nextbuy.web.pages.orders import ListedOrder, OrdersView
from nextbuy.web.visit import Visit


async def sell_orders(visit: Visit) -> Response:
    """Show the orders of the shop, newest first."""
    await visit.require_account()
    cursor = visit.request.query_params.get("cursor", "")
    listed = await visit.api.get("/order/api/seller-orders", Page[ListedOrder], limit=20, cursor=cursor)
    return await visit.page("sell_orders", OrdersView(listed, not cursor))
