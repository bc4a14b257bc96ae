"""GET /simulator/api/pay/{payment_id}: the page of a payment, on which a buyer pays or sees the outcome."""

from nextbuy.contracts.errors import NotFound
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.hosted_page import page
from nextbuy.simulator.model import parse_payment_id


async def payment_page(deps: Deps, caller: Caller, request: Request) -> Response:
    """Return the page of a payment to anyone who knows its id."""
    home = caller.link(f"{deps.settings.public_url}/", deps.settings.public_url)
    try:
        payment_id = parse_payment_id(request.path.rpartition("/")[2])
    except NotFound:
        return page(None, None, home=home, code=404)
    payment = await store.payment(deps.database, payment_id)
    if payment is None:
        return page(None, None, home=home, code=404)
    back = caller.link(payment.return_url or home, deps.settings.public_url)
    return page(payment, payment.status_at(deps.clock()), home=back)
