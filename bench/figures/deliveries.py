"""The number of `order.created` events that all their subscriptions apply in a second, in a running marketplace."""

from bench.inboxes import inboxes
from bench.market import Market
from bench.plan import Plan
from bench.report import Figure
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.storage.database import Database, Row

_PRODUCTS = "SELECT id, shop_id, seller_id, title FROM products ORDER BY id LIMIT 1000"


async def deliveries(target: Market, plan: Plan) -> Figure:
    """Measure rounds, each from the first inbox row to the last."""
    rates: list[float] = []
    order = await Database.connect(target.database_url("order"), "order")
    product = await Database.connect(target.database_url("product"), "product")
    try:
        products = await product.fetch(_PRODUCTS)
        async with inboxes(target, OrderCreated) as found:
            for number in range(plan.rounds + 1):
                placed = [_order(products[n % len(products)]) for n in range(plan.deliveries)]
                await found.wait_until_quiet()
                began = await order.fetchval("SELECT now()")
                async with order.transaction() as tx:
                    await publish(tx, *placed)
                seconds = await found.wait_for(plan.deliveries, began)
                if number:  # round 0 warms up
                    rates.append(plan.deliveries / seconds)
    finally:
        await order.close()
        await product.close()
    return Figure(
        name="order.created to all subscriptions",
        unit="events/s",
        judged_unit="events/s",
        ours=rates,
        values=rates,
        mix=f"{plan.deliveries:,} orders of one line wait in the outbox of order; relay, Redis, dispatchers, and the "
        "handlers of admin, analytics, notification and product, in one process; from the first inbox row to the last",
    )


def _order(product: Row) -> OrderCreated:
    price = Money(2_000)
    return OrderCreated(
        order_id=new_id(),
        number="NB-BENCH-1",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=product["shop_id"],
        total=price,
        lines=[PricedLine(product["id"], product["shop_id"], product["title"], 1, price)],
        seller_id=product["seller_id"],
    )
