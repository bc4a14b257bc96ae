"""`/session/{id}`: the outcome of a checkout, to which the payment page leads back."""

import asyncio
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.values import Money
from nextbuy.web.pages.orders import Order, OrderFound
from nextbuy.web.visit import View, Visit


class Checkout(Struct):
    """A payment session, as its buyer sees it."""

    session_id: UUID
    status: str
    total: Money
    order_ids: list[UUID]


class PaymentView(View):
    """The content of the page of a checkout."""

    checkout: Checkout
    orders: list[Order]


async def payment(visit: Visit) -> Response:
    """Show whether a checkout is paid, and its orders."""
    await visit.require_account()
    key = visit.request.path_params["session_id"]
    checkout = await visit.api.get(f"/order/api/payment-session/{key}", Checkout)
    found = await asyncio.gather(
        *(visit.api.get(f"/order/api/order-details/{order_id}", OrderFound) for order_id in checkout.order_ids)
    )
    return await visit.page("payment", PaymentView(checkout, [one.order for one in found]))
