"""Every second: sessions that nobody paid in time end, and what they held is due to be given back."""

from typing import Final

from nextbuy.kit.events.outbox import publish
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.order.deps import Deps
from nextbuy.order.history import told
from nextbuy.order.model import Transition
from nextbuy.order.store import sessions

_BATCH: Final = 50


async def expire_sessions(deps: Deps) -> bool:
    """End what is over; true where there may be more."""
    async with deps.database.transaction() as tx:
        ended = await sessions.lapse(tx, deps.clock(), most=_BATCH)
        for session in ended:
            with use_span(start_span(session.traceparent, session.correlation_id)):
                await publish(tx, *told(Transition.LAPSED, session))
    return len(ended) == _BATCH
