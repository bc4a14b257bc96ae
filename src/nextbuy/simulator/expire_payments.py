"""Every second: payments that nobody made in time are over, and the shop is told."""

import secrets
from typing import Final

from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.model import told

_BATCH: Final = 100


async def expire_payments(deps: Deps) -> bool:
    """End what is over; true where there may be more."""
    now = deps.clock()
    async with deps.database.transaction() as tx:
        over = await store.expire(tx, now, most=_BATCH)
        if over:
            await store.insert_deliveries(
                tx,
                [
                    (payment, told(payment, "expired", event_id=f"evt_{secrets.token_hex(12)}", at=now))
                    for payment in over
                ],
            )
    if over:
        deps.courier.wake()
    return len(over) == _BATCH
