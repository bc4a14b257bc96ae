"""Every second: money that a crash, or a service that was away, left without orders or a refund gets them."""

from typing import Final

from nextbuy.order.complete_checkout import return_stray, settle_in_its_trace
from nextbuy.order.concurrency import gather_logged
from nextbuy.order.deps import Deps
from nextbuy.order.store import sessions
from nextbuy.order.store import unmatched_payments as strays

_BATCH: Final = 20


async def finish_payments(deps: Deps) -> bool:
    """Finish what is due; true where there may be more."""
    claims = await sessions.claim_work(deps.database, most=_BATCH)
    lost = await strays.claim_strays(deps.database, most=_BATCH)
    await gather_logged(
        [settle_in_its_trace(deps, claim) for claim in claims] + [return_stray(deps, stray) for stray in lost]
    )
    return len(claims) == _BATCH or len(lost) == _BATCH
