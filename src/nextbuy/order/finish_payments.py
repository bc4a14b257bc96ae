"""Every second: money that a crash, or a service that was away, left without orders or a refund gets them."""

from typing import Final

from nextbuy.order.deps import Deps
from nextbuy.order.settlement import return_stray, settle_in_its_trace
from nextbuy.order.side_by_side import apart
from nextbuy.order.store import sessions, strays

_BATCH: Final = 20


async def finish_payments(order: Deps) -> bool:
    """Finish what is due; true where there may be more."""
    claims = await sessions.claim_work(order.database, most=_BATCH)
    lost = await strays.claim_strays(order.database, most=_BATCH)
    await apart(
        [settle_in_its_trace(order, claim) for claim in claims] + [return_stray(order, stray) for stray in lost]
    )
    return len(claims) == _BATCH or len(lost) == _BATCH
