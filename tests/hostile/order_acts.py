"""The acts in which the order service makes calls: a public route or a job for each."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import nextbuy.order.service
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.contracts.values import new_id
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.payments import SimulatorPayments
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.refund_unmatched_payments import refund_unmatched_payments
from nextbuy.order.release_due_holds import release_due_holds
from tests.hostile.act_world import World
from tests.lying_callee import Act, LyingCallee, job, request
from tests.order.market import Market


async def _market(world: World) -> tuple[Market, LyingCallee]:
    market = Market(await world.open_database("order"))
    callee = world.callee(market.calls)
    market.deps = replace(
        market.deps,
        auth=AuthClient(callee.send),
        product=ProductClient(callee.send),
        seller=SellerClient(callee.send),
        payments=SimulatorPayments(callee.send, "http://shop.test"),
    )
    return market, callee


async def checkout(world: World) -> Act:
    """A buyer checks out two products."""
    market, callee = await _market(world)
    products = [market.product(market.shop(), stock=1_000_000) for _ in range(2)]
    body = {"lines": [{"product_id": one, "quantity": 2} for one in products]}
    run = request(nextbuy.order.service.SERVICE, market.deps, market.buyer, "POST", "create-payment-session", body)
    return Act(callee=callee, database=market.database, run=run, prepare=lambda: _leave_no_open_checkout(market))


async def replacement(world: World) -> Act:
    """A buyer checks out while another checkout is open."""
    market, callee = await _market(world)
    buyer, product = market.buyer, market.product(market.shop(), stock=1_000_000)
    body = {"lines": [{"product_id": product, "quantity": 2}]}

    async def leave_open() -> None:
        await _leave_no_open_checkout(market)
        await market.create_payment_session((product, 1), by=buyer)

    run = request(nextbuy.order.service.SERVICE, market.deps, buyer, "POST", "create-payment-session", body)
    return Act(callee=callee, database=market.database, run=run, prepare=leave_open)


async def _leave_no_open_checkout(market: Market) -> None:
    await market.database.execute("UPDATE sessions SET exclusive = false")


async def addition_to_basket(world: World) -> Act:
    """A buyer puts a product into an empty basket."""
    market, callee = await _market(world)
    body = {"product_id": market.product(market.shop()), "quantity": 2}

    async def remove_baskets() -> None:
        await market.database.execute("DELETE FROM baskets")

    run = request(nextbuy.order.service.SERVICE, market.deps, market.buyer, "POST", "add-to-basket", body)
    return Act(callee=callee, database=market.database, run=run, prepare=remove_baskets)


async def refund(world: World) -> Act:
    """A job refunds a checkout that was paid with a wrong amount."""
    market, callee = await _market(world)
    product = market.product(market.shop(), stock=1_000_000)

    async def pay_too_little() -> None:
        await market.recover()
        session = await market.create_payment_session((product, 1))
        callee.fails, fails = True, callee.fails
        with suppress(AppError):
            await market.deliver(market.paid_event(session, amount_total=1))
        callee.fails = fails
        await market.expire_claims()

    run = job(lambda: recover_checkouts(market.deps))
    return Act(callee=callee, database=market.database, run=run, prepare=pay_too_little)


async def refund_of_unmatched_payment(world: World) -> Act:
    """A job refunds a payment that belongs to no checkout."""
    market, callee = await _market(world)

    async def pay_for_nothing() -> None:
        await market.recover()
        event = market.provider_event("checkout.session.completed", new_id(), id=f"pay_{new_id().hex}", amount_total=5)
        await market.deliver(event)
        await market.expire_claims()

    run = job(lambda: refund_unmatched_payments(market.deps))
    return Act(callee=callee, database=market.database, run=run, prepare=pay_for_nothing)


async def release(world: World) -> Act:
    """A job releases the units of a checkout that was not paid in time."""
    market, callee = await _market(world)
    product = market.product(market.shop(), stock=1_000_000)

    async def let_expire() -> None:
        await market.recover()
        await market.create_payment_session((product, 1))
        market.now += timedelta(minutes=31)
        await expire_sessions(market.deps)
        await market.expire_claims()

    run = job(lambda: release_due_holds(market.deps))
    return Act(callee=callee, database=market.database, run=run, prepare=let_expire)
