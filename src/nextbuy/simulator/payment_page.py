"""GET /simulator/api/pay/{payment_id}: the page on which a person pays, or sees what became of it."""

from nextbuy.contracts.errors import NotFound
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Answer, Request
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.hosted_page import page
from nextbuy.simulator.model import known_id


async def payment_page(simulator: Deps, caller: Caller, request: Request) -> Answer:  # noqa: ARG001
    """Return the page; anyone who knows the payment's id may see it."""
    home = f"{simulator.settings.public_url}/"
    try:
        payment_id = known_id(request.path.rpartition("/")[2])
    except NotFound:
        return page(None, None, home=home, code=404)
    payment = await store.payment(simulator.database, payment_id)
    if payment is None:
        return page(None, None, home=home, code=404)
    return page(payment, payment.status_at(simulator.clock()), home=home)
