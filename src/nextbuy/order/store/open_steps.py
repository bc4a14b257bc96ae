"""The steps of an open session that its buyer causes: a declined card, and the cancellation."""

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from nextbuy.contracts.order import Reason
from nextbuy.order.model import Session, Transition, source_states, target_state
from nextbuy.order.store.sessions import RELEASE
from nextbuy.order.store.transitions import KnownStep, Step


def declined(session_id: UUID, code: str, now: datetime) -> Step:
    """Store that a card was declined; the session stays open."""
    transition = Transition.DECLINED
    return Step(
        transition,
        """
        UPDATE sessions SET status = $1, declines = declines + 1, decline_code = $4, declined_at = $5
         WHERE id = $3 AND status = ANY($2)
        RETURNING *
        """,
        (target_state(transition), source_states(transition), session_id, code, now),
        at=now,
    )


def cancelled(session: Session, reason: Reason) -> KnownStep:
    """Cancel an open session, and claim the release of its stock."""
    status = target_state(Transition.CANCELLED)
    return KnownStep(
        Transition.CANCELLED,
        f"""
        UPDATE sessions
           SET status = $1, reason = $4, expiry_due_at = NULL, release_due_at = {RELEASE.until}, release_attempts = 1
         WHERE id = $3 AND status = ANY($2)
        RETURNING id, release_due_at AS claimed_until
        """,  # noqa: S608
        (status, source_states(Transition.CANCELLED), session.id, reason),
        session=replace(session, status=status, reason=reason, release_due=True, attempts=1),
    )
