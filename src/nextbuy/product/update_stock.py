"""UpdateStock: sell what a session holds, once per session.

Where its units were given back meanwhile, because money came late, they are taken again, all or none; where some have
gone since, that is refused and nothing is changed.
"""

from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.model import enough, merged
from nextbuy.product.store.stock import reopen_as_sold, sell, take_again


async def update_stock(deps: Deps, call: UpdateStock) -> Nothing:
    """Sell a session's units; it counts what it held, not what the call says, as long as it holds."""
    lines = merged(call.lines)
    sold = await sell(deps.database, call.session_id)
    if sold is None:
        async with deps.database.transaction() as tx:
            if not await reopen_as_sold(tx, call.session_id, lines):
                return Nothing()
            enough(lines, await take_again(tx, lines))
        sold = [line.product_id for line in lines]
    deps.shelf.drop(sold)
    return Nothing()
