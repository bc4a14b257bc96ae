"""A job: release the stock of sessions that were not paid, each claimed by one copy of the service."""

from functools import partial

from nextbuy.order.claimed_work import BATCH, run_claimed
from nextbuy.order.deps import Deps
from nextbuy.order.hold_release import release_hold
from nextbuy.order.store import sessions


async def release_due_holds(deps: Deps) -> bool:
    """Release a batch of due holds; return true if there may be more."""
    return await run_claimed(await sessions.claim_releases(deps.database, BATCH), partial(release_hold, deps))
