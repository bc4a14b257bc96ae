"""A job: expire the sessions that were not paid in time; the release of their stock becomes due."""

from typing import Final

from nextbuy.order.deps import Deps
from nextbuy.order.state_changes import advance_all
from nextbuy.order.store import transitions

_BATCH: Final = 50


async def expire_sessions(deps: Deps) -> bool:
    """Expire a batch of overdue sessions; return true if there may be more."""
    async with deps.database.transaction() as tx:
        expired = await advance_all(tx, transitions.overdue(deps.clock(), _BATCH))
    return len(expired) == _BATCH
