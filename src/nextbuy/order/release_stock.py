"""Twice a second: what sessions held that were not paid is given back, by whichever copy takes it on."""

from typing import Final

from nextbuy.kit.telemetry import begin, within
from nextbuy.order.deps import Deps
from nextbuy.order.giving_back import give_back
from nextbuy.order.side_by_side import apart
from nextbuy.order.store import sessions
from nextbuy.order.store.sessions import Claim

_BATCH: Final = 20


async def release_stock(order: Deps) -> bool:
    """Give back what is due; true where there may be more."""
    claims = await sessions.claim_releases(order.database, most=_BATCH)
    await apart([_give_back(order, claim) for claim in claims])
    return len(claims) == _BATCH


async def _give_back(order: Deps, claim: Claim) -> None:
    with within(begin(claim.session.traceparent, claim.session.correlation_id)):
        await give_back(order, claim)
