"""Call HoldStock: hold units for a payment session, all of them or none, once per session."""

from nextbuy.contracts.product import HoldStock
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.model import SessionClosed, check_lines, require_stock
from nextbuy.product.store.stock import get_state, hold


async def hold_stock(deps: Deps, call: HoldStock) -> Nothing:
    """Hold units for a payment session, unless it holds or has bought units already.

    The units of the session that it replaces are released, also if nothing can be held.

    Raises:
        NotFound: a product is not for sale (`product-not-found`).
        Conflict: too few units are left (`sold-out`), or the session was released before (`session-closed`).
    """
    lines = check_lines(call.lines)
    held = await hold(deps.database, call.session_id, lines, call.expires_at, call.replaces)
    if held.made or call.replaces is not None:
        deps.cache.invalidate(held.locked)
    if not held.made:
        state = await get_state(deps.database, call.session_id)
        if state == "released":
            raise SessionClosed
        if state is None:
            require_stock(lines, held.levels)
    return Nothing()
