"""A job: release the stock of sessions that were not paid, each claimed by one copy of the service."""

from typing import Final

from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.order.claimed_work import gather_logged
from nextbuy.order.deps import Deps
from nextbuy.order.hold_release import release_hold
from nextbuy.order.model import Session
from nextbuy.order.store import sessions

_BATCH: Final = 20


async def release_due_holds(deps: Deps) -> bool:
    """Release a batch of due holds; return true if there may be more."""
    claimed = await sessions.claim_releases(deps.database, _BATCH)
    await gather_logged([_release(deps, session) for session in claimed])
    return len(claimed) == _BATCH


async def _release(deps: Deps, session: Session) -> None:
    with use_span(start_span(session.traceparent, session.correlation_id)):
        await release_hold(deps, session)
