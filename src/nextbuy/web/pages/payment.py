"""`/session/{id}`: the outcome of a checkout, or how to pay or cancel it; the payment page leads back to it."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.order import LastDecline
from nextbuy.contracts.values import Money
from nextbuy.web.api import Ignored
from nextbuy.web.pages.orders import Order, OrderFound, OrderShops, read_shops
from nextbuy.web.visit import View, Visit

ALREADY_PAID: Final = "already-paid"
"""The slug of the API's error for a checkout that is paid, and so cannot be cancelled or replaced."""


class Checkout(Struct):
    """A payment session, as its buyer sees it; `payment_url` is None unless it can be paid."""

    session_id: UUID
    status: str
    total: Money
    order_ids: list[UUID]
    expires_at: datetime
    payment_url: str | None = None
    last_decline: LastDecline | None = None


class PaymentView(View):
    """The content of the page of a checkout."""

    checkout: Checkout
    orders: list[Order]
    shops: OrderShops


async def cancel_checkout(visit: Visit) -> Response:
    """Cancel a checkout, and show the basket; one that is paid shows its orders."""
    await visit.require_account()
    session_id = visit.request.path_params["session_id"]
    try:
        await visit.api.send("POST", f"/order/api/cancel-payment-session/{session_id}", {}, Ignored)
    except Conflict as error:
        if error.slug != ALREADY_PAID:
            raise
        return visit.redirect(f"/session/{session_id}")
    return visit.redirect("/basket?done=cancelled")


async def payment(visit: Visit) -> Response:
    """Show whether a checkout is paid, and its orders."""
    await visit.require_account()
    key = visit.request.path_params["session_id"]
    checkout = await visit.api.get(f"/order/api/payment-session/{key}", Checkout)
    found = await asyncio.gather(
        *(visit.api.get(f"/order/api/order-details/{order_id}", OrderFound) for order_id in checkout.order_ids)
    )
    orders = [one.order for one in found]
    return await visit.page("payment", PaymentView(checkout, orders, await read_shops(visit.api, orders)))
