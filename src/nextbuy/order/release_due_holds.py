"""Twice a second: what sessions held that were not paid is given back, by whichever copy takes it on."""

from typing import Final

from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.order.concurrency import gather_logged
from nextbuy.order.deps import Deps
from nextbuy.order.hold_release import release_hold
from nextbuy.order.store import sessions
from nextbuy.order.store.sessions import Claim

_BATCH: Final = 20


async def release_due_holds(deps: Deps) -> bool:
    """Give back what is due; true where there may be more."""
    claims = await sessions.claim_releases(deps.database, most=_BATCH)
    await gather_logged([_give_back(deps, claim) for claim in claims])
    return len(claims) == _BATCH


async def _give_back(deps: Deps, claim: Claim) -> None:
    with use_span(start_span(claim.session.traceparent, claim.session.correlation_id)):
        await release_hold(deps, claim)
