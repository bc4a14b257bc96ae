"""GET /simulator/api/pay/{payment_id}: the page on which a person pays, or sees what became of it."""

from nextbuy.contracts.errors import NotFound
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.hosted_page import page
from nextbuy.simulator.model import known_id


async def payment_page(deps: Deps, caller: Caller, request: Request) -> Response:  # noqa: ARG001
    """Return the page; anyone who knows the payment's id may see it."""
    home = f"{deps.settings.public_url}/"
    try:
        payment_id = known_id(request.path.rpartition("/")[2])
    except NotFound:
        return page(None, None, home=home, code=404)
    payment = await store.payment(deps.database, payment_id)
    if payment is None:
        return page(None, None, home=home, code=404)
    return page(payment, payment.status_at(deps.clock()), home=home)
