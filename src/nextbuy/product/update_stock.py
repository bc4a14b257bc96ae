"""Call UpdateStock: commit a hold, so that its units are sold, once per payment session.

After a late payment the hold may be released already; then the units are committed from stock, all or none.
"""

from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.model import check_lines, require_stock
from nextbuy.product.store.stock import commit, commit_from_stock, mark_sold


async def update_stock(deps: Deps, call: UpdateStock) -> Nothing:
    """Commit a payment session's hold; `call.lines` count only if the hold was released.

    Raises:
        Conflict: the hold was released and too few units are left (`sold-out`); nothing is changed.
    """
    lines = check_lines(call.lines)
    sold = await commit(deps.database, call.session_id)
    if sold is None:
        async with deps.database.transaction() as tx:
            if not await mark_sold(tx, call.session_id, lines):
                return Nothing()
            require_stock(lines, await commit_from_stock(tx, lines))
        sold = [line.product_id for line in lines]
    deps.cache.invalidate(sold)
    return Nothing()
