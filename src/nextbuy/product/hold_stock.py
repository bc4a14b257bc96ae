"""HoldStock: keep units for a payment session, all of them or none, once per session."""

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.product import HoldStock
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.model import enough, merged
from nextbuy.product.store.stock import hold, state_of


async def hold_stock(deps: Deps, call: HoldStock) -> Nothing:
    """Hold units; a session that holds or has bought is left as it is, one that was given back gets nothing more."""
    lines = merged(call.lines)
    done, seen = await hold(deps.database, call.session_id, lines, call.expires_at)
    if not done:
        state = await state_of(deps.database, call.session_id)
        if state == "released":
            raise Conflict("What this session held was given back; begin a new one.", slug="session-closed")
        if state is None:
            enough(lines, seen)
        return Nothing()
    deps.shelf.drop(seen)
    return Nothing()
