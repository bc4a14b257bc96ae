"""A job: expire the payments that were not made in time, and store the webhooks that report it."""

from typing import Final

from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.model import webhook_for

_BATCH: Final = 100


async def expire_payments(deps: Deps) -> bool:
    """Expire a batch of overdue payments; return true if there may be more."""
    now = deps.clock()
    async with deps.database.transaction() as tx:
        expired = await store.expire(tx, now, _BATCH)
        if expired:
            webhooks = [(payment, webhook_for(payment, "expired", store.new_event_id(), at=now)) for payment in expired]
            await store.insert_webhooks(tx, webhooks)
    if expired:
        deps.dispatcher.wake()
    return len(expired) == _BATCH
