"""Every second: sessions that nobody paid in time end, and what they held is due to be given back."""

from typing import Final

from nextbuy.kit.outbox import publish
from nextbuy.kit.telemetry import begin, within
from nextbuy.order.deps import Deps
from nextbuy.order.history import told
from nextbuy.order.model import Happening
from nextbuy.order.store import sessions

_BATCH: Final = 50


async def expire_sessions(order: Deps) -> bool:
    """End what is over; true where there may be more."""
    async with order.database.transaction() as tx:
        ended = await sessions.lapse(tx, order.clock(), most=_BATCH)
        for session in ended:
            with within(begin(session.traceparent, session.correlation_id)):
                await publish(tx, *told(Happening.LAPSED, session))
    return len(ended) == _BATCH
